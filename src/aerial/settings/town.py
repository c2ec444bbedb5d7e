"""Everything that ``aerial.toml`` may say."""

from aerial.records import CaseSettings, NotifierConfig, Retention, SinkConfig
from aerial.records.record import record

SCHEMA = 1


@record
class Settings:
    """Everything that ``aerial.toml`` may say.

    ``schema``: the layout of the town's folder. ``crs``: the metric CRS of its mosaics. ``gsd_m``:
    pixel size of the mosaics, None: the photographs' own, at least 5 cm. ``engine`` stitches, on
    ``nodes`` where it uses them. ``baseline_days``: a survey is also compared with one at least as
    old. ``model``: name or folder of the network that compares; None: the one that ships.
    Flights: ``aircraft`` and ``camera`` (names or files), ``height_agl_m`` or the ``photo_gsd_m`` that
    the photographs shall have, overlaps as shares 0-1; ``dem``: file of the terrain, relative to the
    town's folder.
    Cases: ``ledger``, a file relative to the town's folder or the URL of a PostgreSQL database, None:
    ``ledger.sqlite`` in the town; the tables ``cases``, ``sinks``, ``notifiers`` and ``retention``.
    """

    schema: int = SCHEMA
    crs: str | None = None
    gsd_m: float | None = None
    engine: str = "local"
    nodes: tuple[str, ...] = ()
    baseline_days: int = 90
    model: str | None = None
    aircraft: str | None = None
    camera: str | None = None
    height_agl_m: float | None = None
    photo_gsd_m: float | None = None
    overlap_front: float = 0.8
    overlap_side: float = 0.7
    dem: str | None = None
    ledger: str | None = None
    cases: CaseSettings = CaseSettings()
    sinks: tuple[SinkConfig, ...] = ()
    notifiers: tuple[NotifierConfig, ...] = ()
    retention: Retention = Retention()
