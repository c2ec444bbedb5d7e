"""Which photographs see a suspect.

The rule: the frame of the photograph is laid on level ground at the height of take-off, turned as the gimbal
says, and counts when it touches the outline, widened by the suspect's own error and the error of a navigation
fix. Roofs stand above that ground and terrain is not level, so at the rim of a frame the rule may be wrong by
some metres in both directions; with the overlaps of a survey every suspect is in the middle of many frames.
"""

import numpy as np
from shapely.geometry import Point, Polygon

from aerial import geo
from aerial.camera import Camera, Floats, Pose, footprint
from aerial.records import Photo, Suspect

# Where nobody knows better: the fix of a navigation receiver without corrections, 95 %.
_FIX_M = 5.0


def sight_of(photo: Photo | None, suspect: Suspect) -> bool | None:
    """Tell whether a photograph sees the suspect; None where its metadata do not say where it looked.

    Lost for this rule: no position, height over take-off or focal length, or a corner of the frame at
    the horizon. Without a yaw any yaw may have been: the frame counts as the circle around it.
    """
    if photo is None or photo.at is None or photo.relative_height_m is None or photo.focal_px is None:
        return None
    if photo.relative_height_m <= 0 or photo.focal_px <= 0:
        return None
    local = geo.local_frame(suspect.at)
    stand = np.array([*geo.from_lonlat(local, photo.at), photo.relative_height_m])
    frame = _frame(photo, stand, photo.focal_px)
    if frame is None:
        return None
    outline = geo.reproject(suspect.outline, geo.WGS84, local)
    margin_m = (suspect.error_m or 0.0) + _FIX_M
    return bool(frame.distance(outline) <= margin_m)


def _frame(photo: Photo, stand_3: Floats, focal_px: float) -> Polygon | None:
    """Return the ground that the frame holds, for a camera at ``stand_3`` (metres; up from take-off)."""
    camera = Camera(
        width_px=photo.width_px,
        height_px=photo.height_px,
        focal_x_px=focal_px,
        focal_y_px=focal_px,
        centre_x_px=photo.width_px / 2,
        centre_y_px=photo.height_px / 2,
    )
    pitch_deg = -90.0 if photo.gimbal_pitch_deg is None else photo.gimbal_pitch_deg
    corners_42 = footprint(camera, _pose(photo.gimbal_yaw_deg or 0.0, pitch_deg, stand_3), 0.0)
    if corners_42 is None:
        return None
    if photo.gimbal_yaw_deg is None:
        reach_m = float(np.hypot(*(corners_42 - stand_3[:2]).T).max())
        return Point(stand_3[:2]).buffer(reach_m)
    return Polygon(corners_42)


def _pose(yaw_deg: float, pitch_deg: float, stand_3: Floats) -> Pose:
    """Return the pose of a camera that looks to ``yaw_deg`` from north; pitch -90 is straight down."""
    yaw, pitch = np.radians(yaw_deg), np.radians(pitch_deg)
    forward = np.array([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), np.sin(pitch)])
    right = np.array([np.cos(yaw), -np.sin(yaw), 0.0])
    return Pose(rotation_33=np.array([right, np.cross(forward, right), forward]), centre_3=stand_3)
