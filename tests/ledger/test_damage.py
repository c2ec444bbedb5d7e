"""Old schemas are migrated; damaged files are told; nothing that people did is ever changed."""

import random
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from aerial.errors import LedgerError
from aerial.ledger import audit, cases, migrations, outbox, schema, structures
from aerial.ledger.store import Ledger, open_ledger
from aerial.ledger.verdicts import add_verdict
from tests.ledger.made import add_case, ingest, observation, receipt, site_result

LATER = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None

def upgrade():
    op.add_column("cases", sa.Column("colour", sa.Text))
    op.execute("UPDATE cases SET colour = 'red'")
    {more}
"""


def scripts_with(tmp_path: Path, more: str) -> str:
    """The migrations of this version and one more, that of a later version."""
    folder = tmp_path / "50%migrations"
    shutil.copytree(
        Path(str(migrations.__file__)).parent, folder, ignore=shutil.ignore_patterns("__pycache__")
    )
    (folder / "versions" / "v0002_later.py").write_text(LATER.format(more=more), encoding="utf-8")
    return str(folder).replace("%", "%%")


def test_an_older_schema_is_migrated_on_opening(
    ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later version adds its column to a ledger of this one, and cases and chain are still there."""
    with open_ledger(ledger_url) as ledger:
        case = add_case(ledger)
    monkeypatch.setattr("aerial.ledger.upgrade.SCRIPTS", scripts_with(tmp_path, "pass"))
    with open_ledger(ledger_url) as ledger, ledger.read() as tx:
        assert tx.connection.execute(sa.text("SELECT colour FROM cases")).scalar() == "red"
        assert cases.case(tx, case.external_key) == case
        assert audit.verify(tx) == ()
        assert ledger.device == ledger.device


def test_a_migration_that_breaks_leaves_the_older_schema(
    ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that fails half way is undone, and this version goes on with the ledger as it was."""
    with open_ledger(ledger_url) as ledger:
        case = add_case(ledger)
    with monkeypatch.context() as later:
        later.setattr("aerial.ledger.upgrade.SCRIPTS", scripts_with(tmp_path, "raise OSError('cut')"))
        with pytest.raises(OSError, match="cut"):
            open_ledger(ledger_url)
    with open_ledger(ledger_url) as ledger, ledger.read() as tx:
        assert "colour" not in {column["name"] for column in sa.inspect(tx.connection).get_columns("cases")}
        assert cases.case(tx, case.external_key) == case


def test_what_people_did_is_only_ever_added(ledger: Ledger) -> None:
    """Through a random run of acts every row of log, verdicts and receipts stays as it was written."""
    rng = random.Random(3)
    made = [add_case(ledger, number, sinks=("city", "gis")) for number in range(4)]
    kept = (schema.audit, schema.verdicts, schema.receipts)
    before: list[set[str]] = [set() for _ in kept]
    for step in range(60):
        case = rng.choice(made)
        try:
            with ledger.begin() as tx:
                act = rng.randrange(6)
                if act == 0:
                    add_verdict(tx, case.suspect.key, rng.choice(["accept", "reject"]), f"r{step}", "王芳")
                elif act == 1 and (row := outbox.claim(tx, "city", "w", 1)) is not None:
                    outbox.retry(tx, outbox.sending(tx, row), tx.now, "x", "ambiguous")
                elif act == 2:
                    row = outbox.get(tx, case.external_key, "city")
                    outbox.confirmed(tx, row, receipt(case, tx.now), 0.0)
                elif act == 3:
                    cases.add_result(tx, "city", site_result(case, step, stage="file", result="confirmed"))
                elif act == 4:
                    ingest(tx, [observation(10 + step)])
                else:
                    audit.record_heads(tx)
        except LedgerError:
            pass  # an act that does not fit; nothing was written
        with ledger.read() as tx:
            now = [{repr(row) for row in tx.connection.execute(sa.select(table))} for table in kept]
            assert audit.verify(tx) == ()
        assert all(old <= new for old, new in zip(before, now, strict=True))
        before = now
    assert all(len(rows) > 4 for rows in before)


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_file_is_told_or_read(tmp_path: Path, seed: int) -> None:
    """Random bytes in a SQLite file give findings, an error with a hint, or data; never a traceback."""
    path = tmp_path / "ledger.sqlite"
    with open_ledger(path) as ledger:
        for number in range(3):
            add_case(ledger, number)
    rng = random.Random(seed)
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 20, 400])):
        data[rng.randrange(100, len(data))] = rng.randrange(256)
    path.write_bytes(bytes(data))
    try:
        with open_ledger(path) as ledger:
            with ledger.read() as tx:
                audit.verify(tx)
                structures.list_suspects(tx)
                cases.list_cases(tx)
                outbox.rows(tx)
            add_case(ledger, 9)
    except LedgerError as error:
        assert error.hint
