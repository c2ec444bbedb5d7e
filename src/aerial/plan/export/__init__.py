"""Plans as files for ground stations, aircraft and eyes; one module a format, each with its own parser.

A parser reads what the format says and knows nothing of the writer, so that a round trip proves both.
"""

from aerial.plan.export.all import FLIGHT_FORMATS, FORMATS, VIEW_FORMATS, export_plan, formats_for

__all__ = ["FLIGHT_FORMATS", "FORMATS", "VIEW_FORMATS", "export_plan", "formats_for"]
