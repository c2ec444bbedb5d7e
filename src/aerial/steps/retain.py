"""Which original photographs of a town may be deleted, and their deletion once a person confirmed it."""

from datetime import date, timedelta

from aerial.areas import read_cells
from aerial.errors import InputError
from aerial.evidence.retention import (
    Claim,
    PhotoFolder,
    Removal,
    RetentionPlan,
    Rule,
    carry_out,
    plan_retention,
)
from aerial.ledger import audit, cases, structures
from aerial.ledger.store import Ledger, Tx
from aerial.settings import Settings
from aerial.steps.run import reference_of
from aerial.workspace import Town, survey_order, surveys_of

_OVER = ("close", "cancel")


def plan_town_retention(town: Town, settings: Settings, ledger: Ledger) -> RetentionPlan:
    """Return what may go by the rule of ``[retention]``, oldest first, and why everything else stays.

    Raises:
        InputError: no rule is set.
    """
    said = settings.retention
    if said.budget_gb is None:
        raise InputError(
            "No disk budget for photographs is set, so all of them stay.",
            hint="Set budget_gb in [retention] of aerial.toml.",
        )
    rule = Rule(
        keep_days=said.keep_days,
        keep_case_days=said.keep_case_days,
        budget_gb=said.budget_gb,
        baseline_days=settings.baseline_days,
    )
    with ledger.read() as tx:
        claims = _claims(tx)
        today = (tx.now + timedelta(hours=settings.cases.utc_offset_h)).date()
    return plan_retention(_folders(town), claims, rule, today)


def carry_out_retention(
    town: Town, ledger: Ledger, plan: RetentionPlan, *, confirm: str, by: str
) -> tuple[Removal, ...]:
    """Delete what ``plan`` names; ``confirm`` is the plan's hash, ``by`` the person who read it.

    Hashes stay in photos.json. Killed in the middle, the same plan goes on.

    Raises:
        EvidenceError: the plan is another one than was confirmed, or nobody's name.
    """
    if confirm == plan.sha256 and by.strip():
        with ledger.begin() as tx:
            named = [f"{judged.photos.cell}/{judged.photos.survey}" for judged in plan.remove]
            audit.append(tx, "retention.confirmed", confirm, {"by": by, "surveys": named})
    with ledger.read() as tx:
        now = tx.now
    removed = carry_out(plan, town.root, confirm=confirm, by=by, at=now)
    with ledger.begin() as tx:
        for one in removed:
            audit.append(tx, "photographs.removed", f"{one.cell}/{one.survey}", {"removal": one})
    return removed


def _folders(town: Town) -> list[PhotoFolder]:
    found = []
    for cell in read_cells(town.cells_file):
        surveys = surveys_of(town, cell.id)
        reference = reference_of(surveys)
        for survey in surveys:
            folder = town.survey_folder(cell.id, survey.survey)
            size = sum(path.stat().st_size for path in (folder / "photos").glob("*") if path.is_file())
            if size == 0:
                continue
            found.append(
                PhotoFolder(
                    cell=cell.id,
                    survey=survey.survey,
                    on=survey_order(survey.survey)[0],
                    folder=folder.relative_to(town.root).as_posix(),
                    size_bytes=size,
                    reference=reference is not None and reference.survey == survey.survey,
                    stitched=survey.mosaic is not None,
                )
            )
    return found


def _claims(tx: Tx) -> list[Claim]:
    claims = [
        Claim(cell=row.cell, surveys=tuple(row.pair.split("__")), what="suspect", name=row.key)
        for row in structures.list_suspects(tx)
    ]
    for case in cases.list_cases(tx):
        closed: date | None = None
        if case.stage in _OVER:
            told = [result.at.date() for result in cases.results(tx, case.external_key)]
            closed = max(told, default=case.after_on)
        claims.append(
            Claim(
                cell=case.cell,
                surveys=tuple(case.suspect.pair.split("__")),
                what="closed case" if closed else "open case",
                name=case.external_key,
                closed_on=closed,
            )
        )
    return claims
