"""Writes a chosen model as the ``block/`` archive, moved into the metric frame."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pycolmap
from numpy.typing import NDArray

from aerial.camera import Pose
from aerial.ortho import adjust, matching
from aerial.ortho.archive import Features, StoredBlock, StoredPhoto, worth_keeping, write_archive
from aerial.ortho.judge import Candidate
from aerial.records import Photo


def keep(
    photos: tuple[Photo, ...],
    candidate: Candidate,
    database: Path,
    folder: Path,
    crs: str,
    reference: StoredBlock | None,
    ce95_m: float | None,
) -> StoredBlock:
    """Write the held photographs of ``candidate`` to ``folder`` and return what was written.

    Tie points are those that three or more photographs see, two of them of this survey.
    """
    model, world = candidate.model.reconstruction, candidate.placement.similarity
    held = candidate.numbers
    if reference:
        origin_3 = reference.origin_3
        shift_3 = np.zeros(3)
    else:
        centres_N3, _ = adjust.centres_and_axes(candidate.model)
        origin_3 = np.round(np.median(world.apply(centres_N3), axis=0))
        shift_3 = origin_3
    index_of = {number: index for index, number in enumerate(held)}
    points: list[NDArray[np.float64]] = []
    seen_by: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for point_id in sorted(model.points3D):
        point = model.points3D[point_id]
        own = sorted({(e.image_id, e.point2D_idx) for e in point.track.elements if e.image_id in index_of})
        if point.track.length() < 3 or len(own) < 2:
            continue
        for number, feature in own:
            seen_by[number].append((len(points), feature))
        points.append(point.xyz)
    found = matching.lenses(photos)
    lenses = sorted({found[number - 1] for number in held}, key=found.index)
    camera_of = {found[number - 1]: model.image(number).camera for number in held}
    stored_photos, observations, kept = [], [], []
    with pycolmap.Database.open(database) as opened:
        for number in held:
            tied = [feature for _, feature in seen_by[number]]
            kept.append(worth_keeping(opened, number, tied))
            new_of = {int(old): new for new, old in enumerate(kept[-1])}
            observations += [(point, index_of[number], new_of[feature]) for point, feature in seen_by[number]]
            pose = adjust.pose_of(model, number)
            stored_photos.append(
                StoredPhoto(
                    file=photos[number - 1].file,
                    lens=lenses.index(found[number - 1]),
                    pose=Pose(
                        rotation_33=pose.rotation_33 @ world.rotation_33.T,
                        centre_3=world.apply(pose.centre_3[None])[0] - shift_3,
                    ),
                )
            )
        stored = StoredBlock(
            crs=crs,
            origin_3=origin_3,
            ce95_m=ce95_m,
            lenses=tuple(lenses),
            parameters_L8=np.array([camera_of[lens].params for lens in lenses]),
            photos=tuple(stored_photos),
            points_N3=world.apply(np.array(points).reshape(-1, 3)) - shift_3,
            observations_M3=np.array(observations, np.int64).reshape(-1, 3),
        )

        def features() -> Iterator[Features]:
            for number, rows in zip(held, kept, strict=True):
                yield Features(
                    keypoints_N2=np.asarray(opened.read_keypoints(number)[rows, :2], np.float32),
                    descriptors_ND=np.asarray(opened.read_descriptors(number).data[rows], np.uint8),
                )

        write_archive(stored, features(), folder)
    return stored
