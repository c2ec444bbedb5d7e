"""The ledger of a laptop into the town's, by path or URL."""

from pathlib import Path

import pytest
from tests.ledger.made import add_case

from aerial.errors import LedgerError
from aerial.ledger import cases
from aerial.ledger.store import open_ledger
from aerial.steps.merge import merge_ledger


def test_a_laptops_file_is_merged(tmp_path: Path) -> None:
    """What the laptop's file holds is in the town's ledger afterwards; a second time nothing is new."""
    laptop = tmp_path / "laptop.sqlite"
    with open_ledger(laptop, device_name="laptop 3") as source:
        case = add_case(source)
    with open_ledger(tmp_path / "town.sqlite") as ledger:
        report = merge_ledger(ledger, str(laptop))
        assert (report.device_name, report.cases, report.handed_over) == ("laptop 3", 1, 1)
        with ledger.read() as tx:
            assert cases.case(tx, case.external_key) == case
        again = merge_ledger(ledger, f"sqlite:///{laptop}")
        assert (again.cases, again.handed_over, again.audit_rows) == (0, 0, 0)


def test_a_mistyped_name_makes_no_ledger(tmp_path: Path) -> None:
    """A file that is not there is refused, and is not there afterwards either; the same by URL."""
    with open_ledger(tmp_path / "town.sqlite") as ledger:
        wrong = tmp_path / "laptpo.sqlite"
        for other in (str(wrong), f"sqlite:///{wrong}"):
            with pytest.raises(LedgerError, match="There is no ledger") as caught:
                merge_ledger(ledger, other)
            assert caught.value.hint
    assert not wrong.exists()


def test_the_towns_own_ledger_is_refused(tmp_path: Path) -> None:
    """A ledger is not merged into itself, by whatever way its path is written."""
    with open_ledger(tmp_path / "town.sqlite") as ledger:
        (tmp_path / "folder").mkdir()
        with pytest.raises(LedgerError, match="this ledger itself"):
            merge_ledger(ledger, str(tmp_path / "folder" / ".." / "town.sqlite"))
