"""Heights over ground tell a wrong focal length."""

from dataclasses import replace
from typing import Any

import pytest

from aerial.ortho.heights import height_ratio, height_remarks


def test_a_wrong_focal_length_is_named(solved: Any) -> None:
    """Heights that are half of what the photographs say are told, with the camera; right ones are not."""
    photos = solved.survey.job.photos
    assert height_remarks(solved.block, photos) == ()
    low = [replace(p, relative_height_m=2 * p.relative_height_m) for p in photos]
    assert height_ratio(solved.block, low) == pytest.approx(0.5, abs=0.02)
    (remark,) = height_remarks(solved.block, low)
    assert "FC1" in remark
    assert "600 px" in remark


def test_one_lens_of_two_is_the_wrong_one(solved: Any) -> None:
    """Over the same ground, the camera that stands at 1.2 times its height is named, the other is not."""
    job, block = solved.survey.job, solved.block
    photos = [
        replace(p, model="ZOOMED", relative_height_m=p.relative_height_m / 1.2) if i % 2 else p
        for i, p in enumerate(job.photos)
    ]
    lens = replace(block.photos[0].camera, focal_x_px=720.0)
    mixed = replace(
        block, photos=tuple(replace(p, camera=lens) if i % 2 else p for i, p in enumerate(block.photos))
    )
    (remark,) = height_remarks(mixed, photos)
    assert "ZOOMED with a focal length of 720 px" in remark
    assert "1.2" in remark


def test_photographs_without_relative_height_say_nothing(solved: Any) -> None:
    """None, not a ratio of an altitude whose datum nobody knows."""
    photos = [replace(p, relative_height_m=None) for p in solved.survey.job.photos]
    assert height_ratio(solved.block, photos) is None
    assert height_remarks(solved.block, photos) == ()
