"""Opening the ledger, and its transactions.

A write is one transaction, and there is one writer at a time, on PostgreSQL as on SQLite: what a transaction
read still holds when it writes, and an audit chain cannot fork. Writes take milliseconds.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from aerial.errors import LedgerError
from aerial.ledger import audit, schema
from aerial.ledger.database import begun, database_url, made_engine
from aerial.ledger.transaction import Tx, clean, new_id, utc_now
from aerial.ledger.upgrade import upgrade

__all__ = ["Ledger", "Tx", "new_id", "open_ledger", "utc_now"]


class Ledger:
    """An open ledger, made by ``open_ledger``; several threads may use one.

    ``device`` is the ULID that this ledger was given when it was made, ``device_name`` what it is called.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self.engine = engine
        self._clock = clock
        own = sa.select(schema.devices).join(schema.device_self)
        with begun(engine, write=False) as connection:
            row = connection.execute(own).one_or_none()
        if row is None:
            raise LedgerError("The ledger has lost its own device.", hint="Restore the ledger from a copy.")
        self.device: str = row.id
        self.device_name: str = row.name

    @property
    def url(self) -> str:
        """The database's URL, its password left out."""
        return self.engine.url.render_as_string(hide_password=True)

    @contextmanager
    def begin(self) -> Iterator[Tx]:
        """Yield a transaction that may write; it is kept when the block ends, and undone when it raises.

        Raises:
            LedgerError: the database is gone, busy, full or broken; nothing was written.
        """
        with begun(self.engine, write=True) as connection:
            yield Tx(connection, self._clock().astimezone(UTC), self.device)

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """Yield a transaction that sees the state of one moment and cannot write; raises as ``begin``."""
        with begun(self.engine, write=False) as connection:
            yield Tx(connection, self._clock().astimezone(UTC), self.device)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def __enter__(self) -> "Ledger":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def open_ledger(
    url_or_path: str | Path,
    *,
    device_name: str | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Ledger:
    """Open the ledger in a file or at a PostgreSQL URL; make it where there is none, and bring it up to date.

    ``device_name`` (default: the host's name) is given to a ledger that is made; one that is there has its
    own. ``clock`` tells the time of every act, aware.

    Raises:
        LedgerError: it cannot be reached, read or written, is something else, or of a newer schema. The
            message never holds the password.
    """
    engine = made_engine(database_url(str(url_or_path)))
    try:
        with begun(engine, write=True) as connection:
            upgrade(connection)
            _name_device(connection, device_name or socket.gethostname() or "unnamed", clock())
        return Ledger(engine, clock)
    except BaseException:
        engine.dispose()
        raise


def _name_device(connection: Connection, name: str, now: datetime) -> None:
    if connection.execute(sa.select(schema.device_self.c.device)).first():
        return
    name, now = clean(name, "name of the device"), now.astimezone(UTC)
    device = new_id(now)
    connection.execute(schema.devices.insert().values(id=device, name=name, made_at=now))
    connection.execute(schema.device_self.insert().values(one=1, device=device))
    audit.append(Tx(connection, now, device), "ledger.made", device, {"name": name})
