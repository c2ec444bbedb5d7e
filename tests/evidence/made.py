"""A small town's evidence made by code: one pair, two surveys, a case, and an audit log of two devices."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

from shapely.geometry import Polygon, box

from aerial.chain import ChainRow, Head, chained, heads
from aerial.codec import sha256_file, write_json
from aerial.evidence import bag
from aerial.evidence.gather import Places, gather
from aerial.evidence.hashes import note_hashes
from aerial.evidence.package import CaseEvidence, Package, write_package
from aerial.evidence.supporting import Supporting
from aerial.geo import LonLat
from aerial.raster.grid import Grid
from aerial.records import (
    Acceptance,
    Alignment,
    Case,
    FileRef,
    Georef,
    Mosaic,
    Photo,
    Receipt,
    SiteResult,
    Survey,
    SurveyPhoto,
    Suspect,
    Verdict,
)

AT = LonLat(lon_deg=113.83, lat_deg=22.81)
NOW = datetime(2026, 11, 28, 8, 0, tzinfo=UTC)
BEFORE, AFTER = "2026-11-01-1", "2026-11-15-1"
KEY = "s4f2a9c01-1"
# About one metre, in degrees, here.
M_LON, M_LAT = 1 / 102_700, 1 / 110_750


def outline(side_m: float = 10.0, *, east_m: float = 0.0, north_m: float = 0.0) -> Polygon:
    """Return a square around ``AT``, moved by metres."""
    lon, lat = AT.lon_deg + east_m * M_LON, AT.lat_deg + north_m * M_LAT
    half_lon, half_lat = side_m / 2 * M_LON, side_m / 2 * M_LAT
    return box(lon - half_lon, lat - half_lat, lon + half_lon, lat + half_lat)


def photo(name: str, *, east_m: float = 0.0, north_m: float = 0.0, **other: object) -> Photo:
    """Return a photograph from 100 m straight down, 100 m x 75 m on the ground, moved by metres."""
    values: dict[str, object] = {
        "file": name,
        "width_px": 4000,
        "height_px": 3000,
        "taken_at": NOW,
        "at": LonLat(lon_deg=AT.lon_deg + east_m * M_LON, lat_deg=AT.lat_deg + north_m * M_LAT),
        "altitude_m": 120.0,
        "relative_height_m": 100.0,
        "gimbal_pitch_deg": -90.0,
        "gimbal_yaw_deg": 0.0,
        "focal_px": 4000.0,
        "make": "DJI",
        "model": "M3E",
        "rtk_std_m": None,
    }
    return Photo(**{**values, **other})  # type: ignore[arg-type]


def place(root: Path, seed: int = 7) -> tuple[Suspect, Places]:
    """Write the files of one pair below ``root`` as steps do; return its suspect and where they lie."""
    random = Random(seed)
    pair = root / "pairs/A1" / f"{BEFORE}__{AFTER}"
    chips = []
    for day in ("before", "after", "change"):
        path = pair / "chips" / f"k1-{day}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xff\xd8" + random.randbytes(900))
        chips.append(FileRef(path=f"chips/{path.name}", sha256=sha256_file(path)))
    write_json(pair / "chips/grids.json", {"k1": None})
    alignment = Alignment(
        before_to_after_px=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
        residual_median_px=0.2,
        residual_p95_px=0.6,
        residual_median_m=0.02,
        residual_p95_m=0.06,
        windows=40,
        shift_m=0.1,
    )
    write_json(pair / "align.json", alignment)
    write_json(pair / "suspects.geojson", {"type": "FeatureCollection", "features": []})
    (pair / "change.tif").write_bytes(random.randbytes(500))
    zone = root / "zones/sensitive.geojson"
    write_json(zone, {"type": "FeatureCollection", "features": []})
    model = root / "models/own/model.toml"
    model.parent.mkdir(parents=True)
    model.write_text("schema = 1\n")
    note_hashes(pair, {"model/model.toml": model})
    outputs = [path for path in sorted(pair.rglob("*")) if path.is_file()]
    write_json(
        pair / "detect.json",
        {
            "step": "detect",
            "version": "0.1.0",
            "settings_sha256": "5" * 64,
            "inputs": {"zones/sensitive.geojson": sha256_file(zone)},
            "outputs": [
                FileRef(path=path.relative_to(pair).as_posix(), sha256=sha256_file(path)) for path in outputs
            ],
        },
    )
    folders = [survey(root, name, random) for name in (BEFORE, AFTER)]
    suspect = Suspect(
        key="k1",
        pair=f"{BEFORE}__{AFTER}",
        kind="new",
        outline=outline(),
        at=AT,
        error_m=1.5,
        area_m2=100.0,
        height_change_m=3.1,
        score=0.93,
        model_sha256="a" * 64,
        chips=tuple(chips),
    )
    return suspect, Places(
        root=root,
        pair=pair,
        before=folders[0],
        after=folders[1],
        zones=(zone,),
        model=model,
    )


def survey(root: Path, name: str, random: Random) -> Path:
    """Write one survey: a photograph above the suspect, one 300 m away, one that tells nothing."""
    folder = root / "surveys/A1" / name
    listed = []
    for shot in (photo("p1.jpg"), photo("p2.jpg", east_m=300), photo("p3.jpg", relative_height_m=None)):
        path = folder / "photos" / shot.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xff\xd8" + random.randbytes(2000))
        ref = FileRef(path=f"photos/{shot.file}", sha256=sha256_file(path))
        listed.append(SurveyPhoto(file=ref, source=shot.file, photo=shot))
    write_json(folder / "photos.json", listed)
    flight = folder / "flights/20261115T010203Z-s1.jsonl"
    flight.parent.mkdir()
    flight.write_text('{"time": "2026-11-15T01:02:03Z", "event": "start"}\n')
    mosaic = Mosaic(
        ortho=FileRef(path="ortho.tif", sha256="1" * 64),
        dsm=FileRef(path="dsm.tif", sha256="2" * 64),
        grid=Grid(crs="EPSG:4547", affine=(0.1, 0, 0, 0, -0.1, 0), width_px=10, height_px=10),
        georef=Georef(how="rtk", ce95_m=0.3),
        block=None,
    )
    for other in ("quality.json", "inputs.json"):
        write_json(folder / other, {"made": name})
    write_json(folder / "mosaic.json", mosaic)
    record = Survey(
        cell="A1", survey=name, started_at=NOW, photos=tuple(item.file for item in listed), mosaic=mosaic
    )
    write_json(folder / "survey.json", record)
    noted = ("photos.json", "quality.json", "inputs.json", "mosaic.json", f"flights/{flight.name}")
    note_hashes(folder, {name: folder / name for name in noted})
    return folder


def case_of(suspect: Suspect, key: str = KEY) -> Case:
    """Return the case of the suspect, with its chips as evidence."""
    return Case(
        external_key=key,
        suspect=suspect,
        cell="A1",
        unit_grid="441900105001001",
        community="锦厦社区",
        secrecy="internal",
        previous=None,
        evidence=tuple(
            FileRef(path=f"pairs/A1/{suspect.pair}/{chip.path}", sha256=chip.sha256) for chip in suspect.chips
        ),
        identity=key.rpartition("-")[0],
        episode=1,
        at=suspect.at,
        error_m=1.8,
        before_on=date(2026, 11, 1),
        after_on=date(2026, 11, 15),
        found_at=NOW,
        params_sha256="b" * 64,
        accepted=Acceptance(verdict="01VERDICT", by="张三", at=NOW, reason="屋顶新增"),
    )


def log() -> tuple[ChainRow, ...]:
    """Return the audit rows of two devices, mixed; some concern the case."""
    rows: list[ChainRow] = []
    ends: dict[str, Head] = {}
    for number in range(12):
        device = "01LAPTOP" if number % 3 else "01OFFICE"
        subject = KEY if number % 4 == 0 else f"other-{number}"
        at = (NOW + timedelta(minutes=number)).isoformat()
        row = chained(
            device, ends.get(device), at, "verdict", subject, {"reason": f"第{number}行", "n": number}
        )
        ends[device] = (row.seq, row.hash)
        rows.append(row)
    return tuple(rows)


def evidence_of(suspect: Suspect, supporting: Supporting, key: str = KEY) -> CaseEvidence:
    """Return the case with a verdict, a receipt and an officer's result."""
    case = case_of(suspect, key)
    verdict = Verdict(
        id="01VERDICT",
        key=suspect.key,
        identity=case.identity,
        episode=1,
        decision="accept",
        reason="屋顶新增",
        by="张三",
        at=NOW,
        device="01LAPTOP",
    )
    receipt = Receipt(external_key=key, remote_id="77", at=AT, stage="report", read_at=NOW)
    result = SiteResult(id="r1", external_key=key, at=NOW, result="confirmed", by="李四", note="属实")
    return CaseEvidence(
        case=case,
        supporting=supporting,
        verdicts=(verdict,),
        receipts={"city": receipt},
        results={"city": (result,)},
    )


def package_at(
    out: Path, root: Path, *, raw_photographs: bool = True, rows: Sequence[ChainRow] | None = None
) -> Package:
    """Write the package of the small town's one case; its files are made in ``root``."""
    suspect, places = place(root)
    rows = log() if rows is None else rows
    evidence = evidence_of(suspect, gather(suspect, places))
    return write_package(out, [evidence], rows, heads(rows), raw_photographs=raw_photographs, made_at=NOW)


def flip(path: Path, bit: int) -> None:
    """Turn one bit of a file."""
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def retag(package: Path) -> None:
    """Make the hashes of a spoilt package right again, as somebody who means it would."""
    hashes = {
        path.relative_to(package).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((package / "data").rglob("*"))
        if path.is_file()
    }
    size = sum(path.stat().st_size for path in (package / "data").rglob("*") if path.is_file())
    (package / bag.MANIFEST_FILE).write_bytes(bag.manifest_text(hashes))
    info = bag.read_info((package / bag.INFO_FILE).read_bytes())
    entries = [(k, f"{size}.{len(hashes)}" if k == "Payload-Oxum" else v) for k, v in info]
    (package / bag.INFO_FILE).write_bytes(bag.info_text(entries))
    tags = {name: hashlib.sha256((package / name).read_bytes()).hexdigest() for name in bag.TAGGED}
    (package / bag.TAGS_FILE).write_bytes(bag.manifest_text(tags))
