"""What makers' sheets say of cameras whose photographs do not say it themselves.

``flightplans/sensors.toml`` names the sheet of each figure; the cameras to plan with
(``flightplans/cameras``) are known too.
"""

import tomllib
from dataclasses import dataclass
from functools import lru_cache

from aerial.camera import focal_px_from_35mm
from aerial.resources import data_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """One camera; a figure that its sheet does not have is None. ``source`` names the sheet."""

    sensor_width_mm: float | None
    equivalent_mm: float | None
    source: str


@lru_cache(maxsize=1)
def sensors() -> dict[str, Sensor]:
    """Return the known cameras by the model that EXIF says."""
    folder = data_folder() / "flightplans"
    found = {}
    for path in sorted((folder / "cameras").glob("*.toml")):
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        found[values["model"]] = Sensor(
            sensor_width_mm=values["sensor_width_mm"], equivalent_mm=None, source=values["source"]
        )
    for values in tomllib.loads((folder / "sensors.toml").read_text(encoding="utf-8"))["camera"]:
        found[values["model"]] = Sensor(
            sensor_width_mm=values.get("sensor_width_mm"),
            equivalent_mm=values.get("equivalent_mm"),
            source=values["source"],
        )
    return found


def focal_px_of(
    model: str | None, focal_mm: float | None, zoom: float | None, width_px: int, height_px: int
) -> float | None:
    """Return the focal length in pixels of the file as the sheet of ``model`` has it, None where unknown.

    ``focal_mm`` as EXIF states it. ``zoom``: EXIF DigitalZoomRatio; a picture cut and enlarged by the
    camera is none that a sheet tells of.
    """
    known = sensors().get(model or "")
    if known is None or (zoom is not None and zoom > 1):
        return None
    if known.sensor_width_mm and focal_mm and focal_mm > 0:
        return focal_mm / known.sensor_width_mm * max(width_px, height_px)
    if known.equivalent_mm:
        return focal_px_from_35mm(known.equivalent_mm, width_px, height_px)
    return None
