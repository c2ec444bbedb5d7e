"""Structure from motion over a matched database: global first, incremental where that is poor.

The focal length stays what the lens says. A flight straight down at one height cannot tell focal
length from height: set free, it drifts by 30 % and heights by 10 m while the reprojection error
looks better. Distortion (OPENCV: k1, k2, p1, p2) is free; with less, the ground bends to a dome.
"""

import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
from numpy.typing import NDArray

from aerial.camera import Camera, Pose
from aerial.ortho.features import working_size
from aerial.ortho.matching import SEED
from aerial.ortho.presets import Effort

Floats = NDArray[np.float64]

# Of the working size; a sound block lies at 0.3-0.9.
MAX_REPROJECTION_PX = 2.0
MIN_MODEL = 3
# A lens on fewer photographs keeps the distortion that mapping found: its own few are a weak witness.
# A whole block of fewer is taken as undistorted: free, its ground bends and its heights err by 40 %.
MIN_PHOTOS_OF_LENS = 10
# Two threads add the same numbers in another order each time; poses then differ by 1e-10 m, and the
# surface made with them by whole suspects. With one, a repeated run has the same bytes.
SOLVER_THREADS = 1
# OPENCV parameters of measured lenses at their working size, by camera_id.
Fixed = Mapping[int, tuple[float, ...]]
NONE_FIXED: Fixed = {}
# Length of the mean image x axis: 1 where all photographs are turned alike.
MAX_ALIKE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One connected model: a COLMAP reconstruction and the photograph numbers that it holds.

    ``fixed``: camera_ids of lenses that were measured before and stay as they are.
    """

    reconstruction: pycolmap.Reconstruction
    numbers: tuple[int, ...]
    fixed: frozenset[int] = frozenset()

    @property
    def reprojection_px(self) -> float:
        """Mean reprojection error in pixels of the working size."""
        return float(self.reconstruction.compute_mean_reprojection_error())


def map_globally(
    database: Path, scratch: Path, effort: Effort, *, free_focal: bool, fixed: Fixed = NONE_FIXED
) -> list[Model]:
    """Return the models of the whole database by global mapping, largest first."""
    options = pycolmap.GlobalPipelineOptions()
    options.num_threads = options.mapper.num_threads = SOLVER_THREADS
    options.random_seed = options.mapper.random_seed = SEED
    options.min_model_size = MIN_MODEL
    options.mapper.track_required_tracks_per_view = effort.tracks_per_photo
    options.mapper.global_positioning.use_gpu = False
    options.mapper.bundle_adjustment.ceres.use_gpu = False
    options.mapper.bundle_adjustment.refine_focal_length = free_focal
    # All lenses or none: where some are measured, ``refine`` sets those right.
    options.mapper.bundle_adjustment.refine_extra_params = not _all_fixed(database, fixed)
    folder = _empty(scratch)
    return _models(pycolmap.global_mapping(database, folder, folder, options), fixed)


def map_incrementally(
    database: Path, scratch: Path, *, free_focal: bool, fixed: Fixed = NONE_FIXED
) -> list[Model]:
    """Return the models of the whole database by incremental mapping, largest first.

    Slower, and honest where cover is thin: it splits where global mapping folds the parts together.
    """
    folder = _empty(scratch)
    options = incremental_options(free_focal=free_focal)
    options.constant_cameras = options.mapper.constant_cameras = set(fixed)
    return _models(pycolmap.incremental_mapping(database, folder, folder, options), fixed)


def incremental_options(*, free_focal: bool) -> pycolmap.IncrementalPipelineOptions:
    """Return the options of incremental mapping that every use shares."""
    options = pycolmap.IncrementalPipelineOptions()
    options.num_threads = options.mapper.num_threads = SOLVER_THREADS
    options.random_seed = options.mapper.random_seed = SEED
    options.min_model_size = MIN_MODEL
    options.extract_colors = False
    options.ba_use_gpu = False
    # The fallback can hang for many minutes in thin blocks.
    options.structure_less_registration_fallback = False
    options.ba_refine_focal_length = free_focal
    options.mapper.abs_pose_refine_focal_length = free_focal
    return options


def refine(reconstruction: pycolmap.Reconstruction, *, free_focal: bool, fixed: Fixed = NONE_FIXED) -> None:
    """Adjust a finished model once more, in place, with the principal point free where it can be seen.

    Compact and stabilised lenses sit tens of pixels beside the middle of the frame. Photographs
    turned in several directions tell such an offset from a tilt; of photographs all turned alike
    nothing can, and the offset does no harm. ``fixed`` lenses get their parameters and keep them.
    """
    images = [reconstruction.image(i) for i in sorted(reconstruction.reg_image_ids())]
    right_N3 = np.array([image.cam_from_world().rotation.matrix()[0] for image in images])
    options = refine_options()
    options.refine_focal_length = free_focal
    options.refine_principal_point = bool(np.linalg.norm(right_N3.mean(axis=0)) < MAX_ALIKE)
    config = pycolmap.BundleAdjustmentConfig()
    of_lens = Counter(image.camera_id for image in images)
    for image in images:
        config.add_image(image.image_id)
        if image.camera_id in fixed:
            config.set_constant_cam_intrinsics(image.camera_id)
            reconstruction.camera(image.camera_id).params = list(fixed[image.camera_id])
        elif of_lens[image.camera_id] < MIN_PHOTOS_OF_LENS:
            config.set_constant_cam_intrinsics(image.camera_id)
            if len(images) < MIN_PHOTOS_OF_LENS:
                camera = reconstruction.camera(image.camera_id)
                camera.params = [*camera.params[:2], camera.width / 2, camera.height / 2, 0, 0, 0, 0]
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    pycolmap.create_default_bundle_adjuster(options, config, reconstruction).solve()
    reconstruction.update_point_3d_errors()


def refine_options() -> pycolmap.BundleAdjustmentOptions:
    """Return the options of a last adjustment: robust, distortion free, focal length and centre fixed."""
    options = pycolmap.BundleAdjustmentOptions()
    options.print_summary = False
    options.refine_focal_length = False
    options.refine_principal_point = False
    options.ceres.loss_function_type = pycolmap.LossFunctionType.CAUCHY
    options.ceres.solver_options.num_threads = SOLVER_THREADS
    options.ceres.solver_options.function_tolerance = 1e-5
    options.ceres.solver_options.max_num_iterations = 30
    return options


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _all_fixed(database: Path, fixed: Fixed) -> bool:
    with pycolmap.Database.open(database) as opened:
        return {camera.camera_id for camera in opened.read_all_cameras()} <= set(fixed)


def _models(found: dict[int, pycolmap.Reconstruction], fixed: Fixed) -> list[Model]:
    models = [
        Model(reconstruction=r, numbers=tuple(sorted(r.reg_image_ids())), fixed=frozenset(fixed))
        for r in found.values()
        if r.num_reg_images() >= MIN_MODEL
    ]
    return sorted(models, key=lambda model: (-len(model.numbers), model.numbers))


def pose_of(reconstruction: pycolmap.Reconstruction, number: int) -> Pose:
    """Return the pose of a registered photograph in the model's own frame."""
    matrix_34 = np.asarray(reconstruction.image(number).cam_from_world().matrix())
    rotation_33 = matrix_34[:, :3].copy()
    return Pose(rotation_33=rotation_33, centre_3=-rotation_33.T @ matrix_34[:, 3])


def centres_and_axes(model: Model) -> tuple[Floats, Floats]:
    """Return camera centres and unit optical axes, both (N, 3), in the order of ``model.numbers``."""
    poses = [pose_of(model.reconstruction, number) for number in model.numbers]
    return np.array([pose.centre_3 for pose in poses]), np.array([pose.rotation_33[2] for pose in poses])


def working_parameters(camera: Camera) -> tuple[float, ...]:
    """Return the OPENCV parameters of a camera at its working size; the inverse of ``full_camera``."""
    width, height = working_size(camera.width_px, camera.height_px)
    across, down = width / camera.width_px, height / camera.height_px
    return (
        camera.focal_x_px * across,
        camera.focal_y_px * down,
        camera.centre_x_px * across,
        camera.centre_y_px * down,
        *camera.distortion,
    )


def full_camera(parameters_8: Floats, width_px: int, height_px: int) -> Camera:
    """Return a camera whose OPENCV parameters count in the working size as it is for the whole photograph."""
    fx, fy, cx, cy, k1, k2, p1, p2 = (float(value) for value in parameters_8)
    width, height = working_size(width_px, height_px)
    across, down = width_px / width, height_px / height
    return Camera(
        width_px=width_px,
        height_px=height_px,
        focal_x_px=fx * across,
        focal_y_px=fy * down,
        centre_x_px=cx * across,
        centre_y_px=cy * down,
        distortion=(k1, k2, p1, p2),
    )
