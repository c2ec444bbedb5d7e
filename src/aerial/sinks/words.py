"""A peer's words for stages and on-site results, as ours."""

from collections.abc import Mapping
from datetime import datetime
from typing import cast, get_args

from aerial.errors import InputError
from aerial.records import Result, SiteResult, Stage

STAGES: frozenset[str] = frozenset(get_args(Stage))
RESULTS: frozenset[str] = frozenset(get_args(Result))


def check_words(stages: Mapping[str, str], results: Mapping[str, str], *, where: str) -> None:
    """Refuse a map whose right side is no stage or result of ours.

    Raises:
        InputError: names the first such word.
    """
    for what, words, known in (("stages", stages, STAGES), ("site_results", results, RESULTS)):
        for theirs, ours in words.items():
            if ours not in known:
                raise InputError(
                    f"{where}: {what} maps {theirs!r} to {ours!r}, which is not one of ours.",
                    hint=f"Map it to one of: {', '.join(sorted(known))}.",
                )


def site_result(
    act: str,
    external_key: str,
    at: datetime,
    *,
    stages: Mapping[str, str],
    results: Mapping[str, str],
    stage: str | None = None,
    result: str | None = None,
    by: str | None = None,
    note: str | None = None,
) -> SiteResult:
    """Return one act at a peer; ``act`` is its id there.

    A word that is neither mapped nor one of ours goes into the note: it is not guessed, and not dropped.
    """
    ours_stage = stages.get(stage or "", stage if stage in STAGES else None)
    ours_result = results.get(result or "", result if result in RESULTS else None)
    said = [note] if note else []
    if stage and ours_stage is None:
        said.append(f"Stage at the peer: {stage}.")
    if result and ours_result is None:
        said.append(f"Result at the peer: {result}.")
    return SiteResult(
        id=act,
        external_key=external_key,
        at=at,
        stage=cast("Stage | None", ours_stage),
        result=cast("Result | None", ours_result),
        by=by or None,
        note=" ".join(said),
    )
