"""Cameras and aircraft from TOML: those that ship, and a user's own.

Figures are checked where they are read: a plan made of an impossible sensor would look like any other.
"""

import math
import tomllib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from aerial.codec import from_plain
from aerial.errors import InputError
from aerial.records import Aircraft, CameraProfile
from aerial.resources import aircraft_file, aircraft_names, camera_file

T = TypeVar("T")

# Sensor sheets round to a tenth of a millimetre, and the edge of a sensor is not read out.
ASPECT_TOLERANCE = 0.03
_MAY_BE_ZERO = {"dji_drone", "dji_payload", "distortion"}


def read_camera(name_or_path: str) -> CameraProfile:
    """Return the camera called ``name_or_path``, or of that TOML file.

    Raises:
        InputError: no such camera, unknown or missing keys, or figures that no camera has.
    """
    camera = _read(CameraProfile, name_or_path, camera_file)
    sensor, picture = camera.sensor_width_mm / camera.sensor_height_mm, camera.width_px / camera.height_px
    if abs(sensor / picture - 1) > ASPECT_TOLERANCE:
        raise InputError(
            f"{name_or_path}: the sensor is {sensor:.3f} times as wide as high, its pictures {picture:.3f} "
            "times.",
            hint="Give sensor_width_mm and sensor_height_mm of the part that makes width_px by height_px.",
        )
    if camera.width_px < camera.height_px:
        raise InputError(
            f"{name_or_path}: the picture is higher than wide.",
            hint="Give the longer side as width: it lies across the flight line.",
        )
    return camera


def read_aircraft(name_or_path: str) -> Aircraft:
    """Return the aircraft called ``name_or_path``, or of that TOML file.

    Raises:
        InputError: no such aircraft, unknown or missing keys, or figures that no aircraft has.
    """
    aircraft = _read(Aircraft, name_or_path, aircraft_file)
    problems = []
    if not aircraft.cameras:
        problems.append("cameras is empty")
    if aircraft.cruise_m_s > aircraft.max_speed_m_s:
        problems.append("cruise_m_s is above max_speed_m_s")
    if not 60 <= aircraft.hover_s <= 36000 or not 60 <= aircraft.cruise_s <= 36000:
        problems.append("hover_s and cruise_s are seconds, between 60 and 36 000")
    if aircraft.position_period_s > 1:
        problems.append("position_period_s is above 1 s")
    if (aircraft.dji_drone is None) != (aircraft.dji_payload is None):
        problems.append("dji_drone and dji_payload go together")
    if problems:
        raise InputError(
            f"{name_or_path}: {'; '.join(problems)}.",
            hint="Correct the file; flightplans/README.md lists the fields.",
        )
    return aircraft


def shipped_aircraft_with(camera: str) -> str:
    """Return the name of an aircraft that ships and carries the camera.

    Raises:
        InputError: none does.
    """
    for name in aircraft_names():
        if camera in read_aircraft(name).cameras:
            return name
    raise InputError(
        f"No aircraft that ships carries the camera {camera!r}.", hint="Name the aircraft with --aircraft."
    )


def _read(kind: type[T], name_or_path: str, shipped: Callable[[str], Path]) -> T:
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = shipped(name_or_path)
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise InputError(
            f"{path} is not there.", hint="Check the path, or give a name without .toml."
        ) from exc
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} is not TOML: {exc}", hint="Correct the named line.") from exc
    if "name" in values:
        raise InputError(
            f"{path} holds the key name.", hint="Remove it; the name of the file is the name of the profile."
        )
    profile = from_plain(kind, {**values, "name": path.stem}, source=str(path))
    for field in fields(profile):  # type: ignore[arg-type]  # every record is a dataclass
        value = getattr(profile, field.name)
        if (
            field.name not in _MAY_BE_ZERO
            and isinstance(value, int | float)
            and not (math.isfinite(value) and value > 0)
        ):
            raise InputError(
                f"{path}: {field.name} = {value} is not a positive number.", hint="Correct the figure."
            )
        if value == "" or value == ():
            raise InputError(f"{path}: {field.name} is empty.", hint="Give it; a source is part of a figure.")
    return profile
