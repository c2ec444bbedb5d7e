"""The records that the stages exchange: frozen, slotted, keyword-only, without behaviour.

One file a noun. Names carry unit and datum. Fields may be added; names stay.
"""

from aerial.geo import LonLat
from aerial.raster.grid import Grid
from aerial.records.aircraft import Aircraft, CameraProfile
from aerial.records.case import (
    Acceptance,
    Authority,
    Case,
    Matter,
    Receipt,
    Result,
    SinkConfig,
    SiteResult,
    Stage,
)
from aerial.records.case_settings import CaseSettings, NotifierConfig, Officer, Retention, Secrecy
from aerial.records.cycle import (
    CellJob,
    CellState,
    Crew,
    Cycle,
    Event,
    Late,
    Moved,
    Optimality,
    Replan,
    Shift,
    Squad,
    Visit,
)
from aerial.records.file import FileRef
from aerial.records.finding import Finding
from aerial.records.mission import MissionItem
from aerial.records.mosaic import Georef, Mosaic
from aerial.records.pair import Alignment, Pair
from aerial.records.photo import Photo, PhotoCheck
from aerial.records.place import Place
from aerial.records.plan import (
    Leg,
    LegKind,
    Parameters,
    PathPoint,
    Plan,
    Sortie,
    Totals,
    Wind,
)
from aerial.records.shot import ShotRecord
from aerial.records.signoff import Signoff, SignoffKind
from aerial.records.stitch import (
    Basis,
    BlockPart,
    HeightsQuality,
    Hole,
    PhotoResidual,
    Preset,
    SeamStep,
    StitchJob,
    StitchQuality,
)
from aerial.records.structure import Observation, Relation, Sighting, State, Structure
from aerial.records.survey import Survey, SurveyPhoto
from aerial.records.suspect import Kind, Suspect
from aerial.records.trigger import TriggerPoint
from aerial.records.verdict import Decision, Verdict
from aerial.records.zone import Zone, ZoneKind

__all__ = [
    "Acceptance",
    "Aircraft",
    "Alignment",
    "Authority",
    "Basis",
    "BlockPart",
    "CameraProfile",
    "Case",
    "CaseSettings",
    "CellJob",
    "CellState",
    "Crew",
    "Cycle",
    "Decision",
    "Event",
    "FileRef",
    "Finding",
    "Georef",
    "Grid",
    "HeightsQuality",
    "Hole",
    "Kind",
    "Late",
    "Leg",
    "LegKind",
    "LonLat",
    "Matter",
    "MissionItem",
    "Mosaic",
    "Moved",
    "NotifierConfig",
    "Observation",
    "Officer",
    "Optimality",
    "Pair",
    "Parameters",
    "PathPoint",
    "Photo",
    "PhotoCheck",
    "PhotoResidual",
    "Place",
    "Plan",
    "Preset",
    "Receipt",
    "Relation",
    "Replan",
    "Result",
    "Retention",
    "SeamStep",
    "Secrecy",
    "Shift",
    "ShotRecord",
    "Sighting",
    "Signoff",
    "SignoffKind",
    "SinkConfig",
    "SiteResult",
    "Sortie",
    "Squad",
    "Stage",
    "State",
    "StitchJob",
    "StitchQuality",
    "Structure",
    "Survey",
    "SurveyPhoto",
    "Suspect",
    "Totals",
    "TriggerPoint",
    "Verdict",
    "Visit",
    "Wind",
    "Zone",
    "ZoneKind",
]
