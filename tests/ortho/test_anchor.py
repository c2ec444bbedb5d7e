"""Camera heights against a bent block."""

from dataclasses import replace
from typing import Any

import numpy as np
import pycolmap
import pytest
from numpy.typing import NDArray
from tests.ortho.test_adjust import photo

from aerial.camera import Pose, nadir_rotation
from aerial.ortho import adjust
from aerial.ortho.anchor import anchor, rtk_std_m
from aerial.ortho.basis import doubts, on_positions
from aerial.ortho.judge import Candidate, judge
from aerial.records import Photo

HEIGHT_M = 40.0


def flight() -> tuple[list[Pose], list[Photo], NDArray[np.float64]]:
    """Three lines of six photographs at one height: true poses, what they tell, their positions."""
    random = np.random.default_rng(5)
    poses = [
        Pose(
            rotation_33=nadir_rotation(180.0 * (line % 2) + random.normal(0, 1), -90 + random.normal(0, 0.7)),
            centre_3=np.array([14.0 * step, 22.0 * line, HEIGHT_M]) + random.normal(0, 0.2, 3),
        )
        for line in range(3)
        for step in range(6)
    ]
    told = [
        photo(file=f"{n}.jpg", relative_height_m=float(pose.centre_3[2]), gimbal_pitch_deg=-90.0)
        for n, pose in enumerate(poses)
    ]
    positions_N3 = np.array([pose.centre_3 + random.normal(0, 0.3, 3) for pose in poses])
    return poses, told, positions_N3


def domed(poses: list[Pose]) -> adjust.Model:
    """The model that a wrong, fixed lens distortion makes of the flight's own tie points."""
    random = np.random.default_rng(6)
    model = pycolmap.Reconstruction()
    lens = pycolmap.Camera(
        model="OPENCV", width=1400, height=788, params=[778, 778, 700, 394, 0, 0, 0, 0], camera_id=1
    )
    model.add_camera_with_trivial_rig(lens)
    points_N3 = np.column_stack([random.uniform(-25, 95, 900), random.uniform(-20, 64, 900), np.zeros(900)])
    points_N3[:, 2] = random.normal(0, 0.5, 900)
    seen: dict[int, list[tuple[int, int]]] = {}
    for number, pose in enumerate(poses, start=1):
        from_world = pycolmap.Rigid3d(
            pycolmap.Rotation3d(pose.rotation_33), -pose.rotation_33 @ pose.centre_3
        )
        camera_N3 = (points_N3 - pose.centre_3) @ pose.rotation_33.T
        pixels = []
        for index, point in enumerate(camera_N3):
            at = lens.img_from_cam(point)
            if at is not None and 0 <= at[0] < 1400 and 0 <= at[1] < 788:
                seen.setdefault(index, []).append((number, len(pixels)))
                pixels.append(np.asarray(at) + random.normal(0, 0.3, 2))
        image = pycolmap.Image(
            name=f"{number}.jpg", keypoints=np.array(pixels).reshape(-1, 2), camera_id=1, image_id=number
        )
        model.add_image_with_trivial_frame(image, from_world)
    for index, elements in seen.items():
        if len(elements) >= 3:
            track = pycolmap.Track()
            for number, feature in elements:
                track.add_element(number, feature)
            model.add_point3D(points_N3[index], track)
    model.camera(1).params = [778, 778, 700, 394, 0.03, 0, 0, 0]
    config = pycolmap.BundleAdjustmentConfig()
    for number in model.reg_image_ids():
        config.add_image(number)
    config.set_constant_cam_intrinsics(1)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    pycolmap.create_default_bundle_adjuster(adjust.refine_options(), config, model).solve()
    model.update_point_3d_errors()
    return adjust.Model(reconstruction=model, numbers=tuple(sorted(model.reg_image_ids())))


def height_errors_m(candidate: Candidate, poses: list[Pose]) -> NDArray[np.float64]:
    """Return camera heights of the placed block minus the true ones, their mean taken off."""
    centres_N3, _ = adjust.centres_and_axes(candidate.model)
    errors_N = candidate.placement.similarity.apply(centres_N3)[:, 2] - [p.centre_3[2] for p in poses]
    return np.asarray(errors_N - errors_N.mean())


def judged(model: adjust.Model, told: list[Photo], positions_N3: NDArray[Any]) -> Candidate:
    """The placed model."""
    candidate = judge(told, model, positions_N3)
    assert candidate is not None
    return candidate


def test_barometric_heights_flatten_a_domed_block() -> None:
    """A block bent by a wrong lens comes flat to a third of its bend, and its lens right again."""
    poses, told, positions_N3 = flight()
    bent = judged(domed(poses), told, positions_N3)
    before_m = float(np.abs(height_errors_m(bent, poses)).max())
    flat = anchor(told, bent, positions_N3)
    after_m = float(np.abs(height_errors_m(flat, poses)).max())
    assert before_m > 0.5
    assert after_m < before_m / 3
    assert pytest.approx(flat.model.reconstruction.camera(1).params[4], abs=0.005) == 0.0


def test_heights_that_contradict_the_tie_points_do_not_bend_the_block() -> None:
    """Heights scattered by 8 m lose against the tie points: no camera errs more than before."""
    poses, told, positions_N3 = flight()
    random = np.random.default_rng(7)
    wrong = [
        photo(
            file=p.file,
            relative_height_m=HEIGHT_M + float(random.normal(0, 8)),
            gimbal_pitch_deg=-90.0,
        )
        for p in told
    ]
    bent = judged(domed(poses), told, positions_N3)
    before_m = float(np.abs(height_errors_m(bent, poses)).max())
    kept = anchor(wrong, bent, positions_N3)
    assert np.abs(height_errors_m(kept, poses)).max() < before_m + 0.1


@pytest.mark.parametrize(
    ("really_m", "floating", "holds"), [(0.02, 0, True), (0.02, 6, True), (0.4, 0, False), (0.02, 12, False)]
)
def test_centimetres_are_believed_where_the_block_bears_them_out(
    really_m: float, floating: int, holds: bool
) -> None:
    """Positions that state 2 cm hold a bent block to 10 cm, a third of them floating; false ones do not."""
    poses, told, _ = flight()
    random = np.random.default_rng(8)
    true_N3 = np.array([pose.centre_3 for pose in poses])
    std_N = np.where(np.arange(18) % 18 < floating, 0.9, really_m)
    positions_N3 = true_N3 + random.normal(0, 1, (18, 3)) * std_N[:, None] * np.array([1, 1, 2])
    told = [
        replace(p, rtk_std_m=0.9 if n < floating else 0.02, relative_height_m=None)
        for n, p in enumerate(told)
    ]
    bent = judged(domed(poses), told, positions_N3)
    found = anchor(told, bent, positions_N3)
    std_m = rtk_std_m(told, found)
    georef, stands = on_positions(told, found)
    assert (std_m is not None, georef.how, stands.how) == (holds, *(("rtk" if holds else "gps",) * 2))
    if holds:
        centres_N3 = found.placement.similarity.apply(adjust.centres_and_axes(found.model)[0])
        assert np.abs(centres_N3 - true_N3).max() < 0.1
        assert np.hypot(*(centres_N3 - true_N3)[:, :2].T).max() < georef.ce95_m < 0.3
    else:
        assert georef.ce95_m > 3.6
        assert all("counts as placed by GPS" in said for said in doubts(told, found))
        assert len(doubts(told, found)) == (really_m > 0.1)
