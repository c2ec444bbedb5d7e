"""From matches to the sound parts of a survey: mapped, cut where nothing ties, freed of false cameras."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aerial import geo
from aerial.errors import StitchError
from aerial.ortho import adjust, trust
from aerial.ortho.judge import Candidate, choose, judge, told_downs
from aerial.ortho.presets import Effort
from aerial.ortho.unplaced import level
from aerial.records import BlockPart, Photo

Floats = NDArray[np.float64]

# A block below this share of its photographs is tried again incrementally.
POOR_SHARE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """The part that becomes the mosaic, the other sound ones (disjoint), and why cameras were taken out."""

    main: Candidate
    others: tuple[Candidate, ...]
    doubts: dict[int, str]


def map_photos(
    photos: Sequence[Photo],
    database: Path,
    scratch: Path,
    gps_N3: Floats,
    effort: Effort,
    fixed: adjust.Fixed,
) -> Mapped:
    """Return the parts of a matched database: by global mapping, and by incremental where that is poor.

    ``photos`` and ``gps_N3`` (metric CRS, NaN where unknown) are of all photographs, in order of their
    numbers; ``fixed`` lenses were measured before and stay as they are.

    Raises:
        StitchError: no part is sound.
    """
    free_focal = all(p.focal_px is None for p in photos)
    found: list[tuple[Candidate, dict[int, str]]] = []
    for incremental in (False, True):
        if incremental:
            models = adjust.map_incrementally(database, scratch, free_focal=free_focal, fixed=fixed)
        else:
            models = adjust.map_globally(database, scratch, effort, free_focal=free_focal, fixed=fixed)
        for model in models:
            found += _sound(photos, model, database, gps_N3, free_focal=free_focal, fixed=fixed)
        if max((c.held for c, _ in found if not c.why_not), default=0) >= POOR_SHARE * len(photos):
            break
    shutil.rmtree(scratch, ignore_errors=True)
    main = choose([candidate for candidate, _ in found])
    doubts = next(doubts for candidate, doubts in found if candidate is main)
    others: list[Candidate] = []
    taken = set(main.numbers)
    for candidate, _ in sorted(found, key=lambda item: (-item[0].held, item[0].numbers)):
        if not candidate.why_not and not taken.intersection(candidate.numbers):
            others.append(candidate)
            taken |= set(candidate.numbers)
    return Mapped(main=main, others=tuple(others), doubts=doubts)


def _sound(
    photos: Sequence[Photo],
    model: adjust.Model,
    database: Path,
    gps_N3: Floats,
    *,
    free_focal: bool,
    fixed: adjust.Fixed,
) -> list[tuple[Candidate, dict[int, str]]]:
    """Return the parts of one model, placed and judged, each with why cameras were taken out of it."""
    adjust.refine(model.reconstruction, free_focal=free_focal, fixed=fixed)
    evidence = trust.gather(model.reconstruction, database)
    pieces = trust.parts(evidence, model.numbers)
    found = []
    for piece in pieces:
        part = _only(model, piece)
        seen: trust.Evidence | None = evidence
        if len(piece) < len(model.numbers):
            seen = None
            adjust.refine(part.reconstruction, free_focal=free_focal, fixed=fixed)
        doubts: dict[int, str] = {}
        candidate = _judged(photos, part, gps_N3)
        # Taking a false camera out can show another one.
        while True:
            if seen is None:
                seen = trust.gather(part.reconstruction, database)
            false = doubtful(photos, part, seen, gps_N3, candidate)
            if not false:
                break
            if len(part.numbers) - len(false) < adjust.MIN_MODEL:
                candidate = None
                break
            doubts |= false
            seen = None
            part = _only(part, [n for n in part.numbers if n not in false])
            adjust.refine(part.reconstruction, free_focal=free_focal, fixed=fixed)
            candidate = _judged(photos, part, gps_N3)
        if candidate is not None:
            found.append((candidate, doubts))
    return found


def _judged(photos: Sequence[Photo], model: adjust.Model, gps_N3: Floats) -> Candidate | None:
    if np.isfinite(gps_N3[:, 0]).sum() < adjust.MIN_MODEL:
        # What the job stands on will place it.
        return level(photos, model)
    return judge(photos, model, gps_N3)


def doubtful(
    photos: Sequence[Photo],
    model: adjust.Model,
    evidence: trust.Evidence,
    gps_N3: Floats,
    placed: Candidate | None,
) -> dict[int, str]:
    """Return which cameras of a model must not stand where they do, and why.

    ``evidence`` of the very model; ``placed``: its place in the world, None where it has none.
    """
    false = trust.contradicted(evidence, model.numbers)
    if placed is None or placed.why_not:
        return false
    world = placed.placement.similarity
    centres_N3, _ = adjust.centres_and_axes(model)
    rotations_N33 = np.array([adjust.pose_of(model.reconstruction, n).rotation_33 for n in model.numbers])
    pitch_N = [photos[n - 1].gimbal_pitch_deg for n in model.numbers]
    downs_N3 = told_downs(rotations_N33, pitch_N) @ world.rotation_33.T
    return false | trust.out_of_line(
        photos, model.numbers, placed.numbers, world.apply(centres_N3), downs_N3, gps_N3
    )


def _only(model: adjust.Model, numbers: Sequence[int]) -> adjust.Model:
    if len(numbers) == len(model.numbers):
        return model
    away = set(model.numbers) - set(numbers)
    return adjust.Model(
        reconstruction=trust.without(model.reconstruction, away),
        numbers=tuple(sorted(numbers)),
        fixed=model.fixed,
    )


def told(
    photos: Sequence[Photo], parts: Sequence[Candidate], gps_N3: Floats, crs: str
) -> tuple[BlockPart, ...]:
    """Return the parts as the report tells them, the mosaic first."""
    records = []
    for index, part in enumerate(parts):
        rows = np.array(part.numbers) - 1
        known = rows[np.isfinite(gps_N3[rows, :2]).all(axis=1)]
        residual_m = part.residuals_m
        at = (
            geo.to_lonlat(crs, *(float(v) for v in np.median(gps_N3[known, :2], axis=0)))
            if len(known)
            else None
        )
        records.append(
            BlockPart(
                files=tuple(photos[row].file for row in rows),
                at=at,
                residual_median_m=round(float(np.median(residual_m)), 3) if residual_m.size else None,
                in_mosaic=index == 0,
            )
        )
    return tuple(records)


def without_doubtful(
    photos: Sequence[Photo], candidate: Candidate, database: Path, gps_N3: Floats
) -> tuple[Candidate, dict[int, str]]:
    """Return a candidate that stands in the world already without its false cameras, and why those are.

    Raises:
        StitchError: fewer than three are left.
    """
    evidence = trust.gather(candidate.model.reconstruction, database)
    false = doubtful(photos, candidate.model, evidence, gps_N3, candidate)
    if not false:
        return candidate, {}
    if len(candidate.model.numbers) - len(false) < adjust.MIN_MODEL:
        raise StitchError(
            "Too few photographs stand where they were taken in the frame of the reference survey: "
            f"{next(iter(false.values()))}.",
            hint="Check that --previous is the mosaic of the same place, or stitch without it.",
        )
    keep_N = np.array([n not in false for n in candidate.model.numbers])
    placement = replace(
        candidate.placement,
        residual_N=candidate.placement.residual_N[keep_N],
        agrees_N=candidate.placement.agrees_N[keep_N],
    )
    model = adjust.Model(
        reconstruction=trust.without(candidate.model.reconstruction, false),
        numbers=tuple(n for n in candidate.model.numbers if n not in false),
        fixed=candidate.model.fixed,
    )
    return Candidate(model=model, placement=placement, why_not=""), false
