"""A repeat survey joins the block of its reference survey, whose poses stay as they are.

The new photographs are registered one by one against the reference's fixed tie points and against
each other (Time-SIFT: Feurer and Vinatier 2018, doi 10.1016/j.isprsjprs.2018.10.016), so that both
epochs share one frame, one scale and, for the same camera, one set of intrinsics. Two blocks placed
by GPS alone differ by metres and in scale; their surfaces bend differently.
"""

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pycolmap
from numpy.typing import NDArray

from aerial.ortho import adjust
from aerial.ortho.across import missed_px
from aerial.ortho.archive import StoredBlock, read_features
from aerial.ortho.features import image_name
from aerial.ortho.matching import Lens, working_camera

Floats = NDArray[np.float64]

# New photographs that miss their tie points by so many times what the reference's miss are looked
# into; a calibration of their own must take this share of the misfit.
WORSE = 1.15
MENDED = 0.95
# A focal length wrong by 3 % costs 5 % of the misfit over low houses; a right one gains nothing.
FOCAL_MENDED = 0.985
MAX_FOCAL_CHANGE = 0.1


def cameras_with(lenses: tuple[Lens, ...], reference: StoredBlock) -> tuple[list[pycolmap.Camera], list[int]]:
    """Return all cameras, those of the reference first, and the camera_id of each new photograph.

    A lens that the reference knows begins with the reference's calibration, as a camera of its own:
    another body of the same model has another principal point.
    """
    known = dict(zip(reference.lenses, reference.parameters_L8, strict=True))
    distinct = sorted(set(lenses), key=lenses.index)
    cameras = []
    for camera_id, lens in enumerate((*reference.lenses, *distinct), 1):
        camera = working_camera(lens, camera_id)
        if lens in known:
            camera.params = known[lens]
        cameras.append(camera)
    return cameras, [len(reference.lenses) + 1 + distinct.index(lens) for lens in lenses]


def write_reference_features(database: Path, reference: StoredBlock, folder: Path, first: int) -> None:
    """Put the reference's features into the database as photographs ``first``, ``first`` + 1, ..."""
    with pycolmap.Database.open(database) as opened, pycolmap.DatabaseTransaction(opened):
        for index in range(len(reference.photos)):
            one = read_features(folder, index)
            opened.write_keypoints(first + index, one.keypoints_N2)
            opened.write_descriptors(
                first + index,
                pycolmap.FeatureDescriptors(pycolmap.FeatureExtractorType.SIFT, one.descriptors_ND),
            )


def pairs_with(xy_N2: Floats, reference: StoredBlock, first: int, nearest: int) -> list[tuple[int, int]]:
    """Return (new index, reference number) of photographs that may share ground, the ``nearest`` of each.

    ``xy_N2`` in the reference's frame, NaN where unknown: such a photograph gets none here.
    """
    centres_M2 = np.array([photo.pose.centre_3[:2] for photo in reference.photos])
    pairs = []
    for index, xy_2 in enumerate(xy_N2):
        if not np.isfinite(xy_2).all():
            continue
        order = np.argsort(np.hypot(*(centres_M2 - xy_2).T), kind="stable")
        pairs += [(index, first + int(other)) for other in order[:nearest]]
    return pairs


def map_onto(
    database: Path, reference: StoredBlock, first: int, scratch: Path, lenses: tuple[Lens, ...]
) -> adjust.Model | None:
    """Return the model of the new photographs in the reference's frame; None where none is tied.

    ``lenses`` of the new photographs in the order of their numbers. ``model.numbers`` names the new
    photographs only; the reference's are in the reconstruction too, where they were.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / "in").mkdir(parents=True)
    (scratch / "out").mkdir()
    _reconstruction(database, reference, first).write(scratch / "in")
    options = adjust.incremental_options(free_focal=False)
    options.fix_existing_frames = options.mapper.fix_existing_frames = True
    old = len(reference.lenses)
    distinct = sorted(set(lenses), key=lenses.index)
    calibrated = {i for i, lens in enumerate(distinct, old + 1) if lens in reference.lenses}
    constant = set(range(1, old + 1)) | calibrated
    options.constant_cameras = options.mapper.constant_cameras = constant
    options.multiple_models = False
    # The frame is fixed, so that nothing can drift between the rare adjustments of the whole.
    options.ba_global_frames_ratio = options.ba_global_points_ratio = 2.0
    found = pycolmap.incremental_mapping(
        database, scratch, scratch / "out", options, input_path=scratch / "in"
    )
    models = [
        adjust.Model(reconstruction=r, numbers=tuple(sorted(i for i in r.reg_image_ids() if i < first)))
        for r in found.values()
    ]
    model = max(models, key=lambda m: len(m.numbers), default=None)
    if model is None or not model.numbers:
        return None
    return refine_new(model, first, constant, calibrated)


def refine_new(
    model: adjust.Model, first: int, constant_cameras: set[int], calibrated: set[int]
) -> adjust.Model:
    """Return the new photographs adjusted once more, with the reference's poses and lenses fixed.

    ``calibrated``: cameras of new photographs whose lens the reference knows. They keep its
    calibration unless the new photographs fit clearly worse than the reference's own and a
    calibration of their own mends it. Of any other lens the focal length is set free where that
    mends the fit: heights of the reference tell it, and on flat ground nothing changes.
    """
    model = _refined(model, first, constant_cameras, focal=False)
    if len(model.numbers) < adjust.MIN_PHOTOS_OF_LENS:
        return model
    used = {model.reconstruction.image(number).camera_id for number in model.numbers}
    usual_px = _missed_px(model, [n for n in model.reconstruction.reg_image_ids() if n >= first])
    own_px = _missed_px(model, model.numbers)
    if used & calibrated and own_px > WORSE * usual_px:
        freed = _refined(model, first, constant_cameras - calibrated, focal=False)
        if _missed_px(freed, model.numbers) < MENDED * own_px:
            model, constant_cameras = freed, constant_cameras - calibrated
    if used - constant_cameras:
        freed = _refined(model, first, constant_cameras, focal=True)
        changes = [
            freed.reconstruction.camera(i).focal_length_x / model.reconstruction.camera(i).focal_length_x
            for i in used
        ]
        gained = _missed_px(freed, model.numbers) < FOCAL_MENDED * _missed_px(model, model.numbers)
        if gained and max(abs(change - 1) for change in changes) < MAX_FOCAL_CHANGE:
            model = freed
    return model


def _refined(model: adjust.Model, first: int, constant_cameras: set[int], *, focal: bool) -> adjust.Model:
    reconstruction = pycolmap.Reconstruction(model.reconstruction)
    options = adjust.refine_options()
    options.refine_focal_length = focal
    # Points of the reference do not move, so that the principal point is seen wherever a tilt is.
    options.refine_principal_point = True
    config = pycolmap.BundleAdjustmentConfig()
    of_lens = Counter(reconstruction.image(n).camera_id for n in model.numbers)
    for number in sorted(reconstruction.reg_image_ids()):
        config.add_image(number)
        image = reconstruction.image(number)
        if number >= first:
            config.set_constant_rig_from_world_pose(image.frame_id)
        few = of_lens[image.camera_id] < adjust.MIN_PHOTOS_OF_LENS
        if image.camera_id in constant_cameras or few:
            config.set_constant_cam_intrinsics(image.camera_id)
    pycolmap.create_default_bundle_adjuster(options, config, reconstruction).solve()
    reconstruction.update_point_3d_errors()
    return adjust.Model(reconstruction=reconstruction, numbers=model.numbers)


def _missed_px(model: adjust.Model, numbers: Sequence[int]) -> float:
    missed = [missed_px(model.reconstruction, number) for number in numbers]
    return float(np.mean(np.concatenate(missed))) if missed else 0.0


def _reconstruction(database: Path, reference: StoredBlock, first: int) -> pycolmap.Reconstruction:
    """Return the reference as COLMAP sees it: its photographs, fixed poses and tie points."""
    model = pycolmap.Reconstruction()
    with pycolmap.Database.open(database) as opened:
        for camera in opened.read_all_cameras():
            model.add_camera_with_trivial_rig(camera)
        for number, photo in enumerate(reference.photos, first):
            image = pycolmap.Image(
                name=image_name(number),
                keypoints=np.asarray(opened.read_keypoints(number)[:, :2], np.float64),
                camera_id=photo.lens + 1,
                image_id=number,
            )
            pose = photo.pose
            matrix_34 = np.column_stack([pose.rotation_33, -pose.rotation_33 @ pose.centre_3])
            model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(matrix_34))
    by_point: dict[int, list[tuple[int, int]]] = {}
    for point, photo_index, feature in reference.observations_M3.tolist():
        by_point.setdefault(point, []).append((first + photo_index, feature))
    for point, seen_by in by_point.items():
        track = pycolmap.Track()
        for number, feature in seen_by:
            track.add_element(number, feature)
        model.add_point3D(reference.points_N3[point], track)
    return model
