"""Bringing the schema of a database to this version's, by Alembic."""

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from aerial.errors import LedgerError
from aerial.ledger.schema import METADATA, VERSION_TABLE

SCRIPTS = "aerial.ledger:migrations"


def upgrade(connection: Connection) -> None:
    """Make or migrate the tables inside the connection's transaction: all of it, or nothing.

    Raises:
        LedgerError: the schema is newer than this version, or the database is something else.
    """
    config = Config()
    config.set_main_option("script_location", SCRIPTS)
    scripts = ScriptDirectory.from_config(config)
    found = _version(connection)
    if found is not None and found == scripts.get_current_head():
        return
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        raise LedgerError(
            f"The ledger's schema {found} is newer than this version of aerial.",
            hint="Update aerial on this machine.",
        )
    if found is None:
        _require_empty(connection)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _version(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    table = sa.table(VERSION_TABLE, sa.column("version_num", sa.String))
    return connection.execute(sa.select(table.c.version_num)).scalar()


def _require_empty(connection: Connection) -> None:
    there = set(sa.inspect(connection).get_table_names())
    if connection.dialect.name == "postgresql":
        encoding = connection.execute(sa.text("SHOW server_encoding")).scalar()
        if encoding != "UTF8":
            raise LedgerError(
                f"The database's encoding is {encoding}: it would not keep Chinese text.",
                hint="Create the database with ENCODING 'UTF8'.",
            )
        # A database of the bureau's may hold other tables (PostGIS has some), but none of these names.
        there &= set(METADATA.tables)
    if there:
        raise LedgerError(
            f"The database holds something else than a ledger (table {min(there)}).",
            hint="Name another file, or a database of its own.",
        )
