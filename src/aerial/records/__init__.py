"""The records that the stages exchange: frozen, slotted, keyword-only, without behaviour.

One file a noun. Names carry unit and datum. Fields may be added; names stay.
"""

from aerial.geo import LonLat
from aerial.raster.grid import Grid
from aerial.records.case import Case, Receipt
from aerial.records.file import FileRef
from aerial.records.finding import Finding
from aerial.records.mosaic import Georef, Mosaic
from aerial.records.pair import Alignment, Pair
from aerial.records.photo import Photo, PhotoCheck
from aerial.records.stitch import StitchJob, StitchQuality
from aerial.records.survey import Survey, SurveyPhoto
from aerial.records.suspect import Kind, Suspect

__all__ = [
    "Alignment",
    "Case",
    "FileRef",
    "Finding",
    "Georef",
    "Grid",
    "Kind",
    "LonLat",
    "Mosaic",
    "Pair",
    "Photo",
    "PhotoCheck",
    "Receipt",
    "StitchJob",
    "StitchQuality",
    "Survey",
    "SurveyPhoto",
    "Suspect",
]
