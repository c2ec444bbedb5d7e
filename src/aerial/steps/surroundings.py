"""What a town knows that its cases need, from its files."""

from pathlib import Path

from aerial.areas import read_communities, read_unit_grids
from aerial.records import CaseSettings
from aerial.resources import case_table_file
from aerial.suspects.case import Surroundings
from aerial.suspects.codes import CodeTable, matter_of, read_code_table, running_digits
from aerial.suspects.deadline import WorkCalendar, read_calendar
from aerial.workspace import Town


def surroundings(town: Town, cases: CaseSettings) -> Surroundings:
    """Return the code table, the calendar and the layers that ``cases`` names; files are the town's.

    Raises:
        InputError: a file is not there or not what it should be, or the table does not have what the
            settings name.
        CrsError: a layer declares no CRS, or one that does not fit.
    """
    return Surroundings(
        table=_table(town, cases),
        calendar=WorkCalendar() if cases.holidays is None else read_calendar(town.root / cases.holidays),
        communities=None if cases.communities is None else read_communities(town.root / cases.communities),
        unit_grids=None
        if cases.unit_grids is None
        else read_unit_grids(town.root / cases.unit_grids, cases.unit_grid_digits),
    )


def _table(town: Town, cases: CaseSettings) -> CodeTable:
    own = Path(cases.table).suffix == ".toml"
    table = read_code_table(town.root / cases.table if own else case_table_file(cases.table))
    # Said here once, not in every case.
    running_digits(table, cases.code_length)
    for code in (cases.matter or table.suspected, *cases.matters.values()):
        matter_of(table, "event", code)
    return table
