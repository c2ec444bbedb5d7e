"""Photographs made by seeded code, with the EXIF and XMP that drones write."""

from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

START = datetime(2026, 3, 2, 9, 30, 0)  # noqa: DTZ001  # EXIF times have no offset
XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/" {attributes}/></rdf:RDF></x:xmpmeta>"""


def scene(seed: int, width: int = 800, height: int = 600) -> NDArray[np.uint8]:
    """Return an RGB picture (height, width, 3) of sharp-edged roofs on textured ground."""
    rng = np.random.default_rng(seed)
    ground = cv2.resize(rng.integers(70, 140, (90, 120, 3), np.uint8), (width, height))
    for _ in range(120):
        x, y = (int(rng.integers(0, side)) for side in (width, height))
        box = cv2.boxPoints(((x, y), tuple(rng.uniform(20, 120, 2)), rng.uniform(0, 90)))
        cv2.fillPoly(ground, [box.astype(np.int32)], tuple(int(c) for c in rng.integers(20, 230, 3)))
    noise = rng.normal(0, 3, ground.shape)
    return np.clip(ground + noise, 0, 255).astype(np.uint8)


def degrees(value: float) -> tuple[TiffImagePlugin.IFDRational, ...]:
    """Return an angle as EXIF's degrees, minutes and seconds."""
    minutes, seconds = divmod(round(abs(value) * 3600, 6), 60)
    whole, minutes = divmod(int(minutes), 60)
    fraction = Fraction(seconds).limit_denominator(10**6)
    return (
        TiffImagePlugin.IFDRational(whole),
        TiffImagePlugin.IFDRational(minutes),
        TiffImagePlugin.IFDRational(fraction.numerator, fraction.denominator),
    )


def write_photo(
    path: Path,
    *,
    image_HW3: NDArray[np.uint8] | None = None,
    at: tuple[float, float] | None = (113.83, 22.81),
    altitude_m: float | None = 80.0,
    seconds: float = 0.0,
    xmp: dict[str, object] | None = None,
    equivalent_mm: int | None = 24,
    exif: dict[int, object] | None = None,
    main: dict[int, object] | None = None,
) -> Path:
    """Write a JPEG; ``at`` is (lon, lat), ``seconds`` after the start, ``xmp`` DJI's attributes."""
    image = Image.fromarray(scene(1) if image_HW3 is None else image_HW3)
    tags = image.getexif()
    tags.update({0x010F: "DJI", 0x0110: "FC0001", **(main or {})})
    taken = (START + timedelta(seconds=seconds)).strftime("%Y:%m:%d %H:%M:%S")
    own: dict[int, object] = {0x9003: taken, **(exif or {})}
    if equivalent_mm is not None:
        own[0xA405] = equivalent_mm
    tags.get_ifd(0x8769).update(own)
    if at is not None:
        gps = {
            1: "S" if at[1] < 0 else "N",
            2: degrees(at[1]),
            3: "W" if at[0] < 0 else "E",
            4: degrees(at[0]),
        }
        if altitude_m is not None:
            gps |= {
                5: bytes([altitude_m < 0]),
                6: TiffImagePlugin.IFDRational(round(abs(altitude_m) * 1000), 1000),
            }
        tags.get_ifd(0x8825).update(gps)
    options = {}
    if xmp is not None:
        attributes = " ".join(f'drone-dji:{key}="{value}"' for key, value in xmp.items())
        options["xmp"] = XMP.format(attributes=attributes).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "JPEG", quality=90, exif=tags, **options)
    return path


def write_flight(
    folder: Path,
    count: int = 9,
    *,
    height_m: float = 60.0,
    dji: bool = True,
    origin: tuple[float, float] = (113.83, 22.81),
    seconds: float = 0.0,
) -> list[Path]:
    """Write a nadir flight: lines of three, 20 m apart, one shot every 3 s."""
    return [
        write_photo(
            folder / f"DJI_{i + 1:04d}.JPG",
            image_HW3=scene(i),
            at=(origin[0] + 0.0002 * (i % 3), origin[1] + 0.00018 * (i // 3)),
            altitude_m=height_m + 0.1 * (i % 2),
            seconds=seconds + 3 * i,
            xmp={"GimbalPitchDegree": "-90.00", "RelativeAltitude": f"+{height_m + 0.1 * (i % 2):.2f}"}
            if dji
            else None,
        )
        for i in range(count)
    ]
