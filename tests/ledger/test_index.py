"""The index of cycles, surveys and pairs; notes and sign-offs."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from aerial.errors import LedgerError
from aerial.ledger import audit, index
from aerial.ledger.notices import claim_notice
from aerial.ledger.signoffs import add_signoff, signoffs
from aerial.ledger.store import Ledger
from aerial.raster.grid import Grid
from aerial.records import FileRef, Georef, Mosaic, Survey

START = datetime(2026, 7, 1, 2, tzinfo=UTC)


def survey(cell: str = "A1", day: int = 0, photos: int = 3) -> Survey:
    """A survey without a mosaic."""
    at = START + timedelta(days=day)
    files = tuple(FileRef(path=f"photos/{n}.jpg", sha256=f"{n:064x}") for n in range(photos))
    return Survey(cell=cell, survey=f"{at:%Y-%m-%d}-1", started_at=at, photos=files, mosaic=None)


def test_surveys_are_indexed_once_and_kept_up_to_date(ledger: Ledger) -> None:
    """The same survey again changes nothing; stitched later, its row holds the orthomosaic's hash."""
    one = survey()
    grid = Grid(crs="EPSG:4547", affine=(1.0, 0.0, 0.0, 0.0, -1.0, 0.0), width_px=1, height_px=1)
    ortho = FileRef(path="ortho.tif", sha256="f" * 64)
    mosaic = Mosaic(ortho=ortho, dsm=None, grid=grid, georef=Georef(how="rtk", ce95_m=0.1), block=None)
    with ledger.begin() as tx:
        index.add_survey(tx, one)
        head = audit.heads(tx)
        index.add_survey(tx, one)
        assert audit.heads(tx) == head
        index.add_survey(tx, replace(one, mosaic=mosaic))
        (row,) = index.surveys(tx)
        assert (row.photos, row.ortho_sha256, row.started_at) == (3, "f" * 64, START)
        assert [row.what for row in audit.rows(tx)][1:] == ["survey.added", "survey.added"]


def test_surveys_are_listed_by_cell_and_time(ledger: Ledger) -> None:
    """Each filter keeps its own, in order."""
    with ledger.begin() as tx:
        for cell, day in (("B1", 0), ("A1", 14), ("A1", 0)):
            index.add_survey(tx, survey(cell, day))
        assert [(row.cell, row.survey) for row in index.surveys(tx)] == [
            ("A1", "2026-07-01-1"),
            ("A1", "2026-07-15-1"),
            ("B1", "2026-07-01-1"),
        ]
        late = index.surveys(tx, cell="A1", since=START + timedelta(days=1))
        assert [row.survey for row in late] == ["2026-07-15-1"]


def test_a_newer_comparison_takes_the_place_of_the_old(ledger: Ledger) -> None:
    """Of one pair the index holds the newest comparison; the log holds both."""
    with ledger.begin() as tx:
        for model in ("a", "b", "b"):
            index.add_pair(
                tx, "A1", "2026-07-01-1", "2026-07-15-1",
                suspects_sha256="1" * 64, params_sha256="2" * 64, model_sha256=model * 64, compared_at=START,
            )  # fmt: skip
        (pair,) = index.pairs(tx, cell="A1")
        assert (pair.model_sha256, pair.compared_at) == ("b" * 64, START)
        assert index.pairs(tx, cell="B1") == ()
        assert [row.what for row in audit.rows(tx)].count("pair.added") == 2


def test_cycles_do_not_share_days(ledger: Ledger) -> None:
    """A cycle may begin on the day after another's last, and on no day of it; told again it is one."""
    with ledger.begin() as tx:
        index.add_cycle(tx, date(2026, 7, 1), 14)
        index.add_cycle(tx, date(2026, 7, 15), 14)
        index.add_cycle(tx, date(2026, 7, 1), 14)
        for start, days in ((date(2026, 7, 14), 14), (date(2026, 6, 20), 12), (date(2026, 7, 2), 1)):
            with pytest.raises(LedgerError, match="shares days"):
                index.add_cycle(tx, start, days)
        assert index.cycles(tx) == ((date(2026, 7, 1), 14), (date(2026, 7, 15), 14))
        assert index.days_of(tx, date(2026, 7, 15)) == (date(2026, 7, 15), date(2026, 7, 29))
        with pytest.raises(ValueError, match="0 days"):
            index.add_cycle(tx, date(2026, 9, 1), 0)


def test_a_note_is_claimed_once(ledger: Ledger) -> None:
    """The same digest for the same person is claimed once, whatever it says; another's is another."""
    with ledger.begin() as tx:
        assert claim_notice(tx, "wecom", "陈队员", "2026-07-15", "a" * 64)
    with ledger.begin() as tx:
        assert not claim_notice(tx, "wecom", "陈队员", "2026-07-15", "b" * 64)
        assert claim_notice(tx, "wecom", "李队员", "2026-07-15", "a" * 64)
        assert claim_notice(tx, "dingtalk", "陈队员", "2026-07-15", "a" * 64)
        assert [row.what for row in audit.rows(tx)].count("notice.claimed") == 3


def test_a_sign_off_needs_subject_name_and_reason(ledger: Ledger) -> None:
    """A sign-off comes back as it was given; one without a name or a reason is refused."""
    with ledger.begin() as tx:
        given = add_signoff(tx, "contiguous_25km2", "2026-07-15", "周局长", "报局务会同意")
        add_signoff(tx, "secrecy", "S-1-1", "周局长", "内部")
        assert signoffs(tx, subject="2026-07-15") == (given,)
        assert len(signoffs(tx)) == 2
        for subject, by, reason in (("", "a", "b"), ("a", " ", "b"), ("a", "b", "\t")):
            with pytest.raises(LedgerError, match="is empty"):
                add_signoff(tx, "secrecy", subject, by, reason)
        with pytest.raises(ValueError, match="no sign-off"):
            add_signoff(tx, "anything", "a", "b", "c")  # type: ignore[arg-type]
        assert [row.what for row in audit.rows(tx)].count("signoff.given") == 2
