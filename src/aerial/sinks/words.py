"""One act at a peer as a ``SiteResult``, its words for stages and results translated to ours."""

from collections.abc import Mapping
from datetime import datetime
from typing import get_args

from aerial.records import Result, SiteResult, Stage
from aerial.sinks.readback import told

_STAGES: dict[str, Stage] = {word: word for word in get_args(Stage)}
_RESULTS: dict[str, Result] = {word: word for word in get_args(Result)}


def site_result(
    act: str,
    external_key: str,
    at: datetime,
    *,
    stages: Mapping[str, Stage],
    results: Mapping[str, Result],
    stage: str | None = None,
    result: str | None = None,
    by: str | None = None,
    note: str | None = None,
) -> SiteResult:
    """Return one act; ``act`` is its id at the peer.

    A word that is neither configured nor one of ours goes into the note: it is not guessed, and not dropped.
    """
    ours_stage, odd_stage = told(stage, _STAGES | dict(stages), "stage")
    ours_result, odd_result = told(result, _RESULTS | dict(results), "result")
    return SiteResult(
        id=act,
        external_key=external_key,
        at=at,
        stage=ours_stage,
        result=ours_result,
        by=by or None,
        note=" ".join(text for text in (note, odd_stage, odd_result) if text),
    )
