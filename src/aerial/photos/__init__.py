"""From a folder of photographs to what each one says of itself, and which of them are usable.

metadata   read_photos: EXIF and XMP into records
content    measure: brightness, sharpness, sky, from the pixels
check      check_photos: the verdict on every file, with reasons
places     one place or several
coverage   holes in the ground that the photographs cover
"""

from aerial.photos.check import check_photos, usable_photos
from aerial.photos.coverage import find_gaps
from aerial.photos.metadata import list_photos, read_photos
from aerial.photos.places import require_one_place

__all__ = ["check_photos", "find_gaps", "list_photos", "read_photos", "require_one_place", "usable_photos"]
