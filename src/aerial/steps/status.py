"""Where every cell of a town stands."""

from aerial.areas import read_cells
from aerial.records.record import record
from aerial.workspace import Town, surveys_of


@record
class CellStatus:
    """``newest``: the last survey, None before the first; ``report``: its page, None before ``run``."""

    cell: str
    surveys: int
    stitched: int
    newest: str | None
    report: str | None


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
