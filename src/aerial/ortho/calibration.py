"""Lenses measured before: OpenDroneMap's ``cameras.json`` and this project's camera TOML.

``cameras.json`` (the format of OpenSfM's camera models, documented at
orthority.readthedocs.io/en/stable/file_formats/opensfm.html) counts focal length and principal point in
long edges of the frame, from its middle; its ``brown`` and ``perspective`` distortions are those of
``aerial.camera``, with a third radial term that is folded into the first two.
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from aerial.camera import Camera
from aerial.codec import read_json
from aerial.errors import InputError
from aerial.records import Photo, StitchJob

# Frames of one sensor are cut to 3:2, 4:3 or 16:9; a calibration is of one of them.
_ASPECT_TOLERANCE = 0.01
# A third radial term that the first two cannot follow within this share of the long edge, a pixel of
# the working size in the farthest corner, is another lens model.
_FOLDED = 1 / 2000
_MOST_BYTES = 10_000_000
_HINT = "Give OpenDroneMap's cameras.json (perspective or brown), or a camera file as in flightplans/cameras."


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A measured lens; lengths in long edges of the frame, ``centre_*`` from its middle, ``name`` lower case.

    ``named``: whether ``name`` says which camera it is.
    """

    name: str
    named: bool
    aspect: float
    focal_x: float
    focal_y: float
    centre_x: float
    centre_y: float
    distortion: tuple[float, float, float, float]

    def camera(self, width_px: int, height_px: int) -> Camera:
        """Return the camera of a frame of this size."""
        edge = max(width_px, height_px)
        return Camera(
            width_px=width_px,
            height_px=height_px,
            focal_x_px=self.focal_x * edge,
            focal_y_px=self.focal_y * edge,
            centre_x_px=width_px / 2 + self.centre_x * edge,
            centre_y_px=height_px / 2 + self.centre_y * edge,
            distortion=self.distortion,
        )

    def is_of(self, photo: Photo) -> bool:
        """Return whether the photograph was taken with this lens, as far as name and frame tell."""
        same_frame = abs(photo.width_px / photo.height_px / self.aspect - 1) <= _ASPECT_TOLERANCE
        model = (photo.model or "").lower()
        return same_frame and (not self.named or (bool(model) and model in self.name))


def read_calibration(path: Path) -> tuple[Calibration, ...]:
    """Return the lenses of a camera file.

    Raises:
        InputError: it cannot be read, is of another format or lens model, or holds impossible figures.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path} is no camera file: it is too large.", hint=_HINT)
        if path.suffix.lower() == ".toml":
            return (_of_toml(tomllib.loads(path.read_text(encoding="utf-8"))),)
        return tuple(_of_opensfm(str(name), values) for name, values in _named(read_json(path)))
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc}", hint=_HINT) from exc
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as exc:
        raise InputError(f"{path} is no camera file: {_told(exc)}.", hint=_HINT) from exc


def _named(held: object) -> list[tuple[str, Mapping[str, Any]]]:
    if not isinstance(held, dict) or not held:
        raise ValueError("it names no camera")
    return list(held.items())


def calibrated(job: StitchJob) -> tuple[StitchJob, dict[str, Camera]]:
    """Return the job with the focal lengths of its calibration, and the camera of each file that has one.

    Raises:
        InputError: the calibration cannot be read, or is of none of the photographs.
    """
    if job.calibration is None:
        return job, {}
    lenses = read_calibration(job.calibration)
    cameras: dict[str, Camera] = {}
    photos = []
    for photo in job.photos:
        lens = next((lens for lens in lenses if lens.is_of(photo)), None)
        if lens is None:
            photos.append(photo)
            continue
        cameras[photo.file] = lens.camera(photo.width_px, photo.height_px)
        photos.append(replace(photo, focal_px=cameras[photo.file].focal_x_px))
    if not cameras:
        seen = sorted({f"{p.model or 'unnamed'} {p.width_px} x {p.height_px}" for p in job.photos})
        raise InputError(
            f"{job.calibration} is of {', '.join(lens.name for lens in lenses)}; the photographs are of "
            f"{', '.join(seen[:5])}.",
            hint="Give the file of the camera that took them; the proportions of the frame must agree.",
        )
    return replace(job, photos=tuple(photos)), cameras


def _of_toml(values: Mapping[str, Any]) -> Calibration:
    width, height = _positive(values, "width_px"), _positive(values, "height_px")
    k1, k2, p1, p2 = (_finite(value) for value in values.get("distortion", (0, 0, 0, 0)))
    focal = _positive(values, "focal_mm") / _positive(values, "sensor_width_mm")
    return Calibration(
        name=str(values["model"]).lower(),
        named=True,
        aspect=width / height,
        focal_x=focal,
        focal_y=focal,
        centre_x=0.0,
        centre_y=0.0,
        distortion=(k1, k2, p1, p2),
    )


def _of_opensfm(name: str, values: Mapping[str, Any]) -> Calibration:
    kind = values["projection_type"]
    if kind not in ("perspective", "brown", "simple_radial", "radial"):
        raise ValueError(f"lens model {kind!r} of {name!r}")
    width, height = _positive(values, "width"), _positive(values, "height")
    focal_x = _positive(values, "focal" if "focal" in values else "focal_x")
    focal_y = _positive(values, "focal_y") if "focal_y" in values else focal_x
    k1, k2, k3, p1, p2, c_x, c_y = (
        _finite(values.get(key, 0.0)) for key in ("k1", "k2", "k3", "p1", "p2", "c_x", "c_y")
    )
    if max(abs(c_x), abs(c_y)) > 0.2:
        raise ValueError(f"the principal point of {name!r} lies far beside the middle")
    k1, k2 = _folded(name, (k1, k2, k3), focal_x, width, height)
    return Calibration(
        name=name.lower(),
        # A camera that no one named: "v2 unknown unknown 4000 3000 perspective 0.8".
        named="unknown unknown" not in name.lower(),
        aspect=width / height,
        focal_x=focal_x,
        focal_y=focal_y,
        centre_x=c_x,
        centre_y=c_y,
        distortion=(k1, k2, p1, p2),
    )


def _folded(
    name: str, radial_3: Sequence[float], focal: float, width: float, height: float
) -> tuple[float, float]:
    """Return the two radial terms that follow the three best over the frame."""
    k1, k2, k3 = radial_3
    if k3 == 0:
        return k1, k2
    corner = math.hypot(width, height) / 2 / max(width, height) / focal
    r_N = np.linspace(0, corner, 200)
    wanted_N = k1 * r_N**3 + k2 * r_N**5 + k3 * r_N**7
    design_N2 = np.column_stack([r_N**3, r_N**5])
    # Weighed by the square of the radius: more of the frame lies far out.
    weight_N = r_N**2
    found_2 = np.linalg.lstsq(design_N2 * weight_N[:, None], wanted_N * weight_N, rcond=None)[0]
    missed = float(np.abs(design_N2 @ found_2 - wanted_N).max()) * focal
    if missed > _FOLDED:
        raise ValueError(f"the distortion of {name!r} needs k3 (misses {missed:.2%} of the frame without)")
    return float(found_2[0]), float(found_2[1])


def _finite(value: object) -> float:
    number = float(value)  # type: ignore[arg-type]  # what is no number raises
    if not math.isfinite(number) or abs(number) > 10:
        raise ValueError(f"{value} is no coefficient of a lens")
    return number


def _positive(values: Mapping[str, Any], key: str) -> float:
    number = float(values[key])
    if not 0 < number < 1e6:
        raise ValueError(f"{key} is {number}")
    return number


def _told(exc: Exception) -> str:
    return f"{exc} is missing" if isinstance(exc, KeyError) else str(exc)
