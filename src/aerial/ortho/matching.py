"""Which photographs see the same ground: pairs by position and time, matched and verified."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
from numpy.typing import NDArray

from aerial.codec import replacing
from aerial.ortho import room, seal
from aerial.ortho.ahead import THREADS
from aerial.ortho.features import image_name, working_size
from aerial.ortho.presets import QUALITY
from aerial.progress import Progress
from aerial.records import Photo

Floats = NDArray[np.float64]

# Neighbours in time hold a block together where positions are wrong or absent.
FOLLOWERS = 3
SEED = 20
_AT_ONCE = 200
# Matches and verified matches of a pair, eight bytes each, in the database and its write-ahead log.
_MOST_BYTES = 4 * 8 * QUALITY.max_features
# A 24 mm (35 mm equivalent) lens, which most survey drones carry; only where no photograph says.
_USUAL_FOCAL_PER_EDGE = 24 / 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Lens:
    """What makes two photographs share intrinsics: body, frame size and focal length in pixels."""

    make: str
    model: str
    width_px: int
    height_px: int
    focal_px: float


def lenses(photos: Sequence[Photo]) -> tuple[Lens, ...]:
    """Return the lens of each photograph.

    Where one does not say its focal length it takes that of most others, in proportion to the
    frame; where none does, a usual one (which the adjustment then refines).
    """
    known = [p.focal_px / max(p.width_px, p.height_px) for p in photos if p.focal_px]
    share = float(np.median(known)) if known else _USUAL_FOCAL_PER_EDGE
    return tuple(
        Lens(
            make=p.make or "",
            model=p.model or "",
            width_px=p.width_px,
            height_px=p.height_px,
            focal_px=round(p.focal_px or share * max(p.width_px, p.height_px), 1),
        )
        for p in photos
    )


def working_camera(lens: Lens, camera_id: int) -> pycolmap.Camera:
    """Return the undistorted OPENCV camera of a lens at its working size."""
    width, height = working_size(lens.width_px, lens.height_px)
    camera = pycolmap.Camera.create_from_model_name(camera_id, "OPENCV", lens.focal_px, width, height)
    camera.focal_length_x = lens.focal_px * width / lens.width_px
    camera.focal_length_y = lens.focal_px * height / lens.height_px
    camera.has_prior_focal_length = True
    return camera


def create_database(path: Path, cameras: Sequence[pycolmap.Camera], camera_of: Sequence[int]) -> None:
    """Write a database with a row for each photograph and no features; whole or not there.

    ``camera_of`` gives the camera_id of photograph 1, 2, ...
    """
    with (
        replacing(path) as temporary,
        pycolmap.Database.open(temporary) as database,
        pycolmap.DatabaseTransaction(database),
    ):
        for camera in cameras:
            database.write_camera(camera, use_camera_id=True)
            rig = pycolmap.Rig()
            rig.rig_id = camera.camera_id
            rig.add_ref_sensor(camera.sensor_id)
            database.write_rig(rig, use_rig_id=True)
        for number, camera_id in enumerate(camera_of, 1):
            image = pycolmap.Image(name=image_name(number), camera_id=camera_id, image_id=number)
            database.write_image(image, use_image_id=True)
            frame = pycolmap.Frame()
            frame.frame_id, frame.rig_id = number, camera_id
            frame.add_data_id(image.data_id)
            database.write_frame(frame, use_frame_id=True)


def choose_pairs(xy_N2: Floats, order: Sequence[int], neighbours: int) -> list[tuple[int, int]]:
    """Return pairs of indices (low, high) whose photographs may share ground, sorted.

    ``xy_N2`` in metres, NaN where unknown; heights are ignored on purpose, since they are the worst
    part of a GNSS position. ``order`` lists the indices in order of time; ``neighbours`` are the nearest
    of which each is tried with.
    """
    pairs: set[tuple[int, int]] = set()
    known = np.flatnonzero(np.isfinite(xy_N2).all(axis=1))
    for index in known.tolist():
        distance_K = np.hypot(*(xy_N2[known] - xy_N2[index]).T)
        nearest = known[np.argsort(distance_K, kind="stable")[: neighbours + 1]].tolist()
        pairs |= {(min(index, j), max(index, j)) for j in nearest if j != index}
    unknown = set(range(len(xy_N2))) - set(known.tolist())
    for place, index in enumerate(order):
        reach = neighbours if index in unknown else FOLLOWERS
        for other in order[max(0, place - reach) : place + reach + 1]:
            if other != index:
                pairs.add((min(index, other), max(index, other)))
    return sorted(pairs)


def match(database: Path, pairs: Sequence[tuple[int, int]], progress: Progress) -> None:
    """Match and verify pairs of photograph *numbers*; those that the database holds are skipped.

    Raises:
        StitchError: the disk is full.
    """
    matching = pycolmap.FeatureMatchingOptions()
    matching.use_gpu = False
    matching.num_threads = THREADS
    verification = pycolmap.TwoViewGeometryOptions()
    verification.ransac.random_seed = SEED
    listing = database.with_name("pairs.txt")
    pairing = pycolmap.ImportedPairingOptions()
    pairing.match_list_path = listing
    progress.phase("Matching photographs", len(pairs))
    for start in range(0, len(pairs), _AT_ONCE):
        some = pairs[start : start + _AT_ONCE]
        # COLMAP ends the whole process where it finds the disk full.
        room.require_free(database.parent, len(some) * _MOST_BYTES, "matching")
        listing.write_text("".join(f"{image_name(a)} {image_name(b)}\n" for a, b in some))
        pycolmap.match_image_pairs(
            database,
            matching_options=matching,
            pairing_options=pairing,
            verification_options=verification,
            device=pycolmap.Device.cpu,
        )
        seal.seal(database)
        progress.advance(len(some))
    listing.unlink(missing_ok=True)
