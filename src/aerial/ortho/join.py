"""A repeat survey joins the block of its reference survey, whose poses stay as they are.

The new photographs are registered one by one against the reference's fixed tie points and against
each other (Time-SIFT: Feurer and Vinatier 2018, doi 10.1016/j.isprsjprs.2018.10.016), so that both
epochs share one frame, one scale and, for the same camera, one set of intrinsics. Two blocks placed
by GPS alone differ by metres and in scale; their surfaces bend differently.
"""

import shutil
from pathlib import Path

import numpy as np
import pycolmap
from numpy.typing import NDArray

from aerial.ortho import adjust
from aerial.ortho.archive import StoredBlock, read_features
from aerial.ortho.features import image_name
from aerial.ortho.matching import Lens, working_camera

Floats = NDArray[np.float64]

# Reference photographs that a new one is matched with: those that look at the same ground.
REFERENCES = 12


def cameras_with(lenses: tuple[Lens, ...], reference: StoredBlock) -> tuple[list[pycolmap.Camera], list[int]]:
    """Return all cameras, those of the reference first, and the camera_id of each new photograph.

    A lens that the reference knows keeps the reference's calibration.
    """
    cameras = []
    for index, (lens, parameters_8) in enumerate(
        zip(reference.lenses, reference.parameters_L8, strict=True), 1
    ):
        camera = working_camera(lens, index)
        camera.params = parameters_8
        cameras.append(camera)
    distinct = list(reference.lenses)
    for lens in lenses:
        if lens not in distinct:
            distinct.append(lens)
            cameras.append(working_camera(lens, len(distinct)))
    return cameras, [distinct.index(lens) + 1 for lens in lenses]


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


def pairs_with(xy_N2: Floats, reference: StoredBlock, first: int) -> list[tuple[int, int]]:
    """Return (new index, reference number) of photographs that may share ground.

    ``xy_N2`` in the reference's frame, NaN where unknown: such a photograph gets none here.
    """
    centres_M2 = np.array([photo.pose.centre_3[:2] for photo in reference.photos])
    pairs = []
    for index, xy_2 in enumerate(xy_N2):
        if not np.isfinite(xy_2).all():
            continue
        nearest = np.argsort(np.hypot(*(centres_M2 - xy_2).T), kind="stable")[:REFERENCES]
        pairs += [(index, first + int(other)) for other in nearest]
    return pairs


def map_onto(database: Path, reference: StoredBlock, first: int, scratch: Path) -> adjust.Model | None:
    """Return the model of the new photographs in the reference's frame; None where none is tied.

    ``model.numbers`` names the new photographs only; the reference's are in the reconstruction too,
    where they were.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / "in").mkdir(parents=True)
    (scratch / "out").mkdir()
    _reconstruction(database, reference, first).write(scratch / "in")
    options = adjust.incremental_options(free_focal=False)
    options.fix_existing_frames = options.mapper.fix_existing_frames = True
    shared = set(range(1, len(reference.lenses) + 1))
    options.constant_cameras = options.mapper.constant_cameras = shared
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
    refine_new(model, first, shared)
    return model


def refine_new(model: adjust.Model, first: int, constant_cameras: set[int]) -> None:
    """Adjust the new photographs once more, in place, with the reference's poses and lenses fixed."""
    reconstruction = model.reconstruction
    options = adjust.refine_options()
    config = pycolmap.BundleAdjustmentConfig()
    for number in sorted(reconstruction.reg_image_ids()):
        config.add_image(number)
        image = reconstruction.image(number)
        if number >= first:
            config.set_constant_rig_from_world_pose(image.frame_id)
        if image.camera_id in constant_cameras:
            config.set_constant_cam_intrinsics(image.camera_id)
    pycolmap.create_default_bundle_adjuster(options, config, reconstruction).solve()
    reconstruction.update_point_3d_errors()


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
