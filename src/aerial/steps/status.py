"""Where a town stands: every cell by its files, and the cycle at a glance by its ledger."""

from datetime import date, timedelta

from aerial.areas import read_cells
from aerial.ledger import status as ledger_status
from aerial.ledger.status import CellWaits, DeadRow, DueCase, HeldCase, StageCount, Undelivered
from aerial.ledger.store import Ledger
from aerial.records.record import record
from aerial.settings import Settings
from aerial.workspace import Town, survey_order, surveys_of


@record
class CellStatus:
    """``newest``: the last survey, None before the first; ``report``: its page, None before ``run``."""

    cell: str
    surveys: int
    stitched: int
    newest: str | None
    report: str | None


@record
class CycleStatus:
    """The newest cycle that has begun, ``end`` its last day: cells surveyed in it, and the others."""

    start: date
    end: date
    surveyed: tuple[str, ...]
    missing: tuple[str, ...]


@record
class TownStatus:
    """A town at a glance. ``ledger``: False where there is none yet, and all but ``cells`` is empty then.

    ``cycle``: None before the first. ``dead``: deliveries of open cases that were given up.
    """

    cells: tuple[CellStatus, ...]
    ledger: bool
    cycle: CycleStatus | None = None
    undecided: tuple[CellWaits, ...] = ()
    stages: tuple[StageCount, ...] = ()
    held: tuple[HeldCase, ...] = ()
    due: tuple[DueCase, ...] = ()
    undelivered: tuple[Undelivered, ...] = ()
    dead: tuple[DeadRow, ...] = ()


def cell_statuses(town: Town) -> tuple[CellStatus, ...]:
    """Return the state of each cell, in the order of ``cells.geojson``; reads files only.

    Raises:
        WorkspaceError, InputError: a file of the town is damaged.
    """
    found = []
    for cell in read_cells(town.cells_file):
        surveys = surveys_of(town, cell.id)
        newest = surveys[-1].survey if surveys else None
        page = town.report_folder(cell.id, newest) / "report.html" if newest else None
        found.append(
            CellStatus(
                cell=cell.id,
                surveys=len(surveys),
                stitched=sum(survey.mosaic is not None for survey in surveys),
                newest=newest,
                report=page.relative_to(town.root).as_posix() if page and page.is_file() else None,
            )
        )
    return tuple(found)


def town_status(town: Town, settings: Settings, ledger: Ledger | None) -> TownStatus:
    """Return where the town stands; ``ledger``: None where it has none yet. Nothing is written.

    The ledger is taken as it is: what lies in the files and was not indexed yet (``aerial suspects list``
    does that) is not counted among the suspects.

    Raises:
        WorkspaceError, InputError: a file of the town is damaged.
        LedgerError: the ledger cannot be read.
    """
    cells = cell_statuses(town)
    if ledger is None:
        return TownStatus(cells=cells, ledger=False)
    with ledger.read() as tx:
        today = (tx.now + timedelta(hours=settings.cases.utc_offset_h)).date()
        cycle = ledger_status.newest_cycle(tx, today)
        return TownStatus(
            cells=cells,
            ledger=True,
            cycle=_cycle(cells, cycle) if cycle else None,
            undecided=ledger_status.undecided(tx),
            stages=ledger_status.stages(tx),
            held=ledger_status.held(tx),
            due=ledger_status.due(tx),
            undelivered=ledger_status.undelivered(tx),
            dead=ledger_status.dead(tx),
        )


def _cycle(cells: tuple[CellStatus, ...], cycle: ledger_status.CycleSurveys) -> CycleStatus:
    end = cycle.start + timedelta(days=cycle.days - 1)
    # A survey counts whose files lie here, and one that a laptop's ledger brought.
    here = {c.cell for c in cells if c.newest and cycle.start <= survey_order(c.newest)[0] <= end}
    surveyed = here | set(cycle.surveyed)
    return CycleStatus(
        start=cycle.start,
        end=end,
        surveyed=tuple(c.cell for c in cells if c.cell in surveyed),
        missing=tuple(c.cell for c in cells if c.cell not in surveyed),
    )
