"""Who flies which cell on which day, so that no cell grows older than the cycle allows.

Cells, crews and days in (``aerial.records.cycle``), shifts out, with a proved bound on what any
schedule costs. Times inside are whole seconds; days are local dates.
"""

from aerial.schedule.crews import read_squad
from aerial.schedule.plan import plan_cycle
from aerial.schedule.replan import replan_cycle
from aerial.schedule.sheets import crew_csv, crew_sheet
from aerial.schedule.status import cycle_status

__all__ = ["crew_csv", "crew_sheet", "cycle_status", "plan_cycle", "read_squad", "replan_cycle"]
