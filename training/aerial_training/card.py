"""Writes a model's CARD.md: what it is for, what it learnt from, how good it is, how it fails."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from aerial.change.model import Model
from aerial.codec import replacing
from aerial_training.evaluation import Bits, Picture, network_mask
from aerial_training.metrics import count
from aerial_training.sample import UNKNOWN

SIDE_PX = 256
_QUALITY = 80

# Pictures of failures show only what its licence lets be shown: never pairs that merely score.
_LICENCES = """\
| data | what it gave | licence |
|---|---|---|
| drone_blocks: drone orthos of Zanzibar, Nepal and Nairobi, 7 cm (hotosm/fAIr-utilities); Kampala and \
Luzon kept out, for scoring | ground, roofs | pictures: OpenAerialMap contributors, CC BY 4.0 \
(OpenAerialMap's own licence; not verified picture by picture); building \
outlines: © OpenStreetMap contributors, ODbL 1.0 |
| banepa_oam: Banepa, Nepal, 13 cm (hotosm/fAIr-models) | ground, roofs | picture: OpenAerialMap, CC BY 4.0; \
outlines: © OpenStreetMap contributors, ODbL 1.0 |
| neon_trees: forest, savanna, bare ground, 10 cm (weecology/DeepForest) | ground without buildings, two \
flights over one plot | the repository is MIT; the pictures are of the National Ecological Observatory \
Network (NSF), whose data policy is CC0 1.0 to general knowledge, not verified |
| drawn roofs, sheds, vehicles, fields, shadows | what changes, and what must not count | made by this \
program, Apache-2.0 |
| eight simulated towns at two epochs, of other seeds than those that score | new, grown and razed \
buildings, rooms on roofs | made by this program, Apache-2.0 |

No labelled pair of two dates trained it. `pairs/real_dev` (FOTBCD, CC BY-NC-SA 4.0) only scored it: it
chose neither weights nor threshold, and no picture of it is shown here. Its figures were looked at while
the synthesiser was developed, so it is not as unseen as a pair that nobody here has met. The simulated
towns that score are drawn by the same program as those that taught."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A picture file beside the card, and what it shows."""

    file: str
    caption: str


def failures(model: Model, pictures: Iterable[Picture], folder: Path, number: int = 6) -> tuple[Failure, ...]:
    """Write the worst answers as JPEG to ``folder``: half of them alarms, half of them misses.

    Before, after, and the answer: green found, red false, blue missed. The same picture is not
    shown twice. Give only pictures whose licence allows them to be shown.
    """
    answered = []
    for picture in pictures:
        mask_HW = network_mask(model, picture)
        answered.append((picture, mask_HW, count(mask_HW, picture.change_HW, picture.gsd_m)))
    alarms = sorted(answered, key=lambda a: -a[2].false_px)[: number // 2]
    rest = [a for a in answered if all(a[0].name != b[0].name for b in alarms)]
    misses = sorted(rest, key=lambda a: -a[2].missed_px)[: number - number // 2]
    shown = []
    folder.mkdir(parents=True, exist_ok=True)
    for kind, chosen in (("false", alarms), ("missed", misses)):
        for index, (picture, mask_HW, counted) in enumerate(chosen, start=1):
            file = f"{kind}_{index}.jpg"
            pixel_m2 = picture.gsd_m**2
            area_m2 = (counted.false_px if kind == "false" else counted.missed_px) * pixel_m2
            _write(folder / file, _sheet(picture, mask_HW))
            shown.append(Failure(file=file, caption=f"{picture.name}: {area_m2:.0f} m2 {kind}"))
    return tuple(shown)


def _sheet(picture: Picture, mask_HW: Bits) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return before, after and the answer side by side, (H, W, 3) RGB; a large picture around its worst."""
    true_HW, known_HW = picture.change_HW == 1, picture.change_HW != UNKNOWN
    wrong_HW = ((mask_HW != true_HW) & known_HW).astype(np.float32)
    side = min(SIDE_PX, *wrong_HW.shape)
    spread = cv2.boxFilter(wrong_HW, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
    row, column = np.unravel_index(int(spread.argmax()), spread.shape)
    top, left = (
        int(np.clip(middle - side // 2, 0, length - side))
        for middle, length in zip((row, column), wrong_HW.shape, strict=True)
    )
    cut = np.s_[..., top : top + side, left : left + side]
    before, after = (np.moveaxis(p[cut], 0, -1) for p in (picture.before_3HW, picture.after_3HW))
    answer = (after * 0.4).astype(np.uint8)
    mask_HW, true_HW, known_HW = mask_HW[cut], true_HW[cut], known_HW[cut]
    answer[mask_HW & true_HW] = (60, 200, 60)
    answer[mask_HW & ~true_HW & known_HW] = (230, 40, 40)
    answer[~mask_HW & true_HW] = (70, 110, 255)
    return np.concatenate([before, after, answer], axis=1)


def _write(path: Path, sheet_HW3: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    packed = cv2.imencode(
        ".jpg", np.ascontiguousarray(sheet_HW3[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    )[1]
    with replacing(path) as part:
        part.write_bytes(packed.tobytes())


def write_card(
    model: Model,
    accuracy: Mapping[str, Any],
    shown: Sequence[Failure],
    *,
    made: str,
    gate: Mapping[str, Any] | None = None,
) -> Path:
    """Write ``CARD.md`` into the model's folder and return it.

    ``accuracy`` and ``gate`` are what ``benchmarks.accuracy`` and ``benchmarks.nuisance_gate`` printed;
    ``made`` says in a sentence by which recipe, on what machine and how long the weights were trained.

    Raises:
        ValueError: the figures are of other weights.
    """
    for figures in (accuracy, gate or accuracy):
        if figures["model"]["onnx_sha256"] != model.file.weights.onnx_sha256:
            raise ValueError("the figures are of other weights than the card")
    file = model.file
    low, high = file.gsd_range_m
    parts = [
        f"# {file.name} {file.version}",
        "Tells from two orthos of one place which buildings appeared and which are gone, and where buildings "
        "stand on each date. It suspects; people decide.",
        "## For what, and for what not",
        f"- Orthos of {low:g} to {high:g} m a pixel, red, green and blue, laid over each other to about a "
        f"metre; it looks at pixels of {file.gsd_m:g} m. `aerial detect` resamples, aligns, outlines.\n"
        f"- A pixel counts as changed from a calibrated probability of {file.threshold:g} on.\n"
        "- Rooftop additions have almost no signature from above: give surface models as well.\n"
        "- Not for oblique views, radar, thermal or single dates, and not as the only ground for a decision.",
        "## Made",
        made,
        "## Learnt from",
        _LICENCES,
        "## How good",
        _figures(accuracy),
    ]
    if gate is not None:
        parts += ["## Where nothing changed", _gate(gate)]
    parts += ["## How it fails", "The worst of the windows on which it was scored: before, after, and the "
              "answer (green found, red false, blue missed). Ground of the drone sites: OpenAerialMap "
              "contributors, CC BY 4.0, changed."]  # fmt: skip
    parts += [f"![{each.caption}]({each.file})\n\n*{each.caption}*" for each in shown]
    path = model.folder / "CARD.md"
    with replacing(path) as part:
        part.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def _figures(accuracy: Mapping[str, Any]) -> str:
    columns = {
        "f1": ("F1", 100),
        "precision": ("precision", 100),
        "recall": ("recall", 100),
        "recall_10_50": ("found, 10-50 m²", 100),
        "recall_ge50": ("found, ≥ 50 m²", 100),
        "false_per_km2": ("false a km²", 1),
        "centroid_error_m": ("centre, m", 1),
    }
    lines = [
        "`benchmarks/accuracy.py`, at the stored threshold, with the middle 95 % of 1000 bootstrap draws. "
        "F1, precision and recall are of pixels, in percent, in any direction; a building is found when 30 % "
        "of it is covered; a suspect of 10 m² or more is false when less than a tenth of it is true.",
        "",
        "| set | answer | " + " | ".join(head for head, _ in columns.values()) + " |",
        "|---|---|" + "---|" * len(columns),
    ]
    groups = [*accuracy["sets"].items(), ("**plain mean, real pairs**", accuracy["mean_of_real"])]
    for name, rows in [*groups, ("**plain mean, all sets**", accuracy["mean_of_all"])]:
        for row, found in rows.items():
            cells = [_cell(found[key], factor) for key, (_, factor) in columns.items()]
            lines.append(f"| {name} | {row} | " + " | ".join(cells) + " |")
    lines += ["", "Published by others on their own data, not measured here:", ""]
    lines += [f"- {p['what']}: F1 {_plain(p['f1'])} ({p['source']})" for p in accuracy["published"]]
    return "\n".join(lines)


def _plain(value: Any) -> str:
    return " / ".join(f"{v:g}" for v in value) if isinstance(value, list) else f"{value:g}"


def _cell(estimate: Mapping[str, float | None], factor: float) -> str:
    value, low, high = (estimate[key] for key in ("value", "low", "high"))
    if value is None:
        return "-"
    digits = 1 if factor == 100 else 2 if value < 10 else 0
    text = f"{value * factor:.{digits}f}"
    if low is None or high is None:
        return text
    return f"{text} ({low * factor:.{digits}f}–{high * factor:.{digits}f})"


def _gate(gate: Mapping[str, Any]) -> str:
    lines = [
        "`benchmarks/nuisance_gate.py`: another sun, season, exposure and 1 m of local shift together, and "
        "photographs of one flight laid over each other.",
        "",
        "| place | km² | false suspects ≥ 10 m² | pasted roofs ≥ 10 m² found beside it |",
        "|---|---|---|---|",
    ]
    for name, key in (("drone sites kept out", "kept_out"), ("drone sites trained on", "trained_on")):
        same, built = (gate[key]["suspects"][k] for k in ("unchanged", "built"))
        found = f"{built['roofs_10m2_found']} of {built['roofs_10m2']}"
        lines.append(f"| {name} | {same['km2']} | {same['false_10m2']} | {found} |")
    for flight, row in gate["parallax"].items():
        seen = row["suspects"]
        lines.append(f"| {flight}, parallax | {seen['km2']} | {seen['false_10m2']} | - |")
    lines += [
        "",
        f"BEFORE bent by up to 5 m: {gate['warps']['lost_points']:g} points of F1 lost after alignment.",
    ]
    return "\n".join(lines)
