"""A photograph as its metadata describes it, and what the check says of it."""

from datetime import datetime

from aerial.geo import LonLat
from aerial.records.record import record


@record
class Photo:
    """One photograph's own metadata; None where it does not say.

    ``altitude_m`` is EXIF GPSAltitude, whose datum differs by maker (ellipsoid, sea level, or
    height over take-off: never assume one). ``relative_height_m`` is DJI's height over take-off.
    ``focal_px`` is in pixels of this file; ``gimbal_pitch_deg`` is -90 looking straight down.
    ``taken_at`` has the offset the photograph gives, else UTC is assumed.
    """

    file: str
    width_px: int
    height_px: int
    taken_at: datetime | None
    at: LonLat | None
    altitude_m: float | None
    relative_height_m: float | None
    gimbal_pitch_deg: float | None
    gimbal_yaw_deg: float | None
    focal_px: float | None
    make: str | None
    model: str | None
    rtk_std_m: float | None


@record
class PhotoCheck:
    """The verdict on one file of a folder: usable or not, and every reason in words.

    ``reasons`` of a usable photograph are remarks (a height unlike the others').
    ``photo`` is None where the file cannot be read at all. ``only_unplaced``: not usable by itself,
    but for no other reason than that it does not say where it was taken.
    """

    file: str
    ok: bool
    reasons: tuple[str, ...]
    photo: Photo | None
    only_unplaced: bool = False
