"""What people decided about suspects: added, never changed; the newest counts."""

from dataclasses import replace

from aerial.errors import LedgerError
from aerial.ledger import audit, cases, schema
from aerial.ledger.structures import SuspectDetail, find_suspect, move_to_episode, save_structure
from aerial.ledger.transaction import Tx, clean, new_id
from aerial.ledger.verdict_rows import of_structure
from aerial.records import Decision, Structure, Verdict
from aerial.suspects.track import decided


def add_verdict(tx: Tx, key: str, decision: Decision, reason: str, by: str) -> Verdict:
    """Record that a person, ``by`` name, accepted or rejected a suspect, and why; return the verdict.

    ``key`` may be the beginning of one. Every structure that the suspect shows is decided with it. A
    rejection withdraws the structure's case where that has not left yet. What is accepted of a structure
    whose case is closed begins its next episode: a closed case cannot grow.

    Raises:
        LedgerError: no name or no reason, no such suspect or several, or the case has left already.
    """
    by, reason = clean(by, "name"), clean(reason, "reason")
    if decision not in ("accept", "reject"):
        raise ValueError(f"a verdict is accept or reject, not {decision!r}")
    found = find_suspect(tx, key)
    first, *others = [_beyond_what_is_closed(tx, one, decision, found) for one in found.structures]
    after = [decided(first, decision, found.observation)]
    after += [decided(one, decision, found.observation, case=after[0].case) for one in others]
    verdict = Verdict(
        id=new_id(tx.now),
        key=found.row.key,
        identity=after[0].identity,
        episode=after[0].episode,
        decision=decision,
        reason=reason,
        by=by,
        at=tx.now,
        device=tx.device,
    )
    for now in after:
        if decision == "reject" and now.state == "rejected" and now.case is not None:
            cases.withdraw(tx, now.case, verdict)
        save_structure(tx, now)
    tx.connection.execute(
        schema.verdicts.insert().values(
            {name: getattr(verdict, name) for name in Verdict.__dataclass_fields__}
        )
    )
    shows = [now.identity for now in after]
    audit.append(tx, f"suspect.{decision}ed", verdict.key, {"verdict": verdict, "structures": shows})
    return verdict


def _beyond_what_is_closed(
    tx: Tx, structure: Structure, decision: Decision, found: SuspectDetail
) -> Structure:
    if decision != "accept" or structure.case is None or structure.state == "gone":
        return structure
    if found.observation.suspect.kind == "demolished" or not found.row.waits:
        return structure
    case = cases.find_case(tx, structure.case)
    if case is None or case.stage not in ("close", "cancel"):
        return structure
    following = replace(
        structure,
        episode=structure.episode + 1,
        state="open",
        decided_on=None,
        decided_outline=None,
        decided_area_m2=None,
        decided_height_m=None,
        case=None,
        previous=structure.case,
    )
    move_to_episode(tx, found.row.key, structure.identity, following.episode)
    return following


def verdicts(tx: Tx, identity: str) -> tuple[Verdict, ...]:
    """Return the verdicts on any suspect that shows the structure, oldest first."""
    return of_structure(tx, identity)


def newest_verdict(tx: Tx, identity: str) -> Verdict:
    """Return the verdict that counts.

    Raises:
        LedgerError: nobody decided yet.
    """
    given = verdicts(tx, identity)
    if not given:
        raise LedgerError(
            f"Nobody has decided about {identity} yet.", hint="Use aerial suspects accept, or reject."
        )
    return given[-1]
