"""``aerial suspects``: what is suspected, and what people say of it."""

import os
from typing import TYPE_CHECKING, Any

import click

from aerial_cli import console
from aerial_cli.town import this_town

if TYPE_CHECKING:
    from aerial.ledger.structures import SuspectRow

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
BY = click.option("--by", required=True, metavar="NAME", help="Who says so.")
REASON = click.option("--reason", required=True, help="Why; stands in the ledger.")


@click.group()
def command() -> None:
    """List suspects, look at one, accept it (it becomes a case) or reject it.

    Only what a reviewer should see is listed: what was decided comes back when it changes.

    Example: aerial suspects list
    """


@command.command("list")
@click.option("--cell", help="Only of this cell.")
@click.option("--cycle", type=click.DateTime(["%Y-%m-%d"]), help="Only of the cycle that begins on this day.")
@click.option("--all", "everything", is_flag=True, help="Also what is decided or explained, with the reason.")
@JSON
def list_(cell: str | None, cycle: Any, everything: bool, as_json: bool) -> None:
    """List the suspects that wait for a decision, the most urgent first.

    Reads new pairs of the town's folder into the ledger before.

    Example: aerial suspects list --cell A1
    """
    from aerial.steps.town_ledger import listed_suspects, town_and_ledger

    town, _settings, ledger = town_and_ledger(this_town(), os.environ)
    with console.progress() as progress:
        rows = listed_suspects(
            town,
            ledger,
            cell=cell,
            cycle=cycle.date() if cycle else None,
            everything=everything,
            progress=progress,
        )
    console.table([_row(row) for row in rows], as_json=as_json)
    if not rows:
        console.say("Nothing waits for a decision.")
    elif not as_json:
        console.say(f"{len(rows)} suspect(s). Look at one: aerial suspects show {rows[0].key[:12]}")


@command.command()
@click.argument("key", metavar="ID")
@JSON
def show(key: str, as_json: bool) -> None:
    """Show all that is known of one suspect: place, pictures, history, verdicts, case.

    ID is a suspect's key, the beginning of one, an identity or the key of a case.

    Example: aerial suspects show 3f2a
    """
    from aerial.steps.town_ledger import suspect_story, town_and_ledger

    town, _settings, ledger = town_and_ledger(this_town(), os.environ)
    story = suspect_story(town, ledger, key)
    if as_json:
        console.data(story)
        return
    for name, value in story.items():
        if isinstance(value, list):
            for line in value:
                console.line(name, line)
        else:
            console.line(name, value)


@command.command()
@click.argument("key", metavar="ID")
@REASON
@BY
@JSON
def accept(key: str, reason: str, by: str, as_json: bool) -> None:
    """Accept a suspect: it becomes a case, with a delivery to each destination of aerial.toml.

    What the case lacks is said; until it is there the case is held and does not leave.

    Example: aerial suspects accept 3f2a --reason "new storey on the yard's roof" --by "Li Min"
    """
    from aerial.codec import to_plain
    from aerial.steps.town_ledger import town_and_ledger
    from aerial.steps.verdicts import accept as accept_

    town, settings, ledger = town_and_ledger(this_town(), os.environ)
    _verdict, case = accept_(town, settings, ledger, key, reason, by)
    if as_json:
        console.data(to_plain(case))
    console.say(f"Case {case.external_key}.")
    for reason_held in case.held:
        console.say(f"Held: {reason_held}")
    if case.held:
        console.say(f"When that is mended: aerial case release {case.external_key} --by NAME")
    else:
        console.say("Next: aerial case push")


@command.command()
@click.argument("key", metavar="ID")
@REASON
@BY
def reject(key: str, reason: str, by: str) -> None:
    """Reject a suspect: it is not shown again until it changes.

    Example: aerial suspects reject 3f2a --reason "tarpaulin" --by "Li Min"
    """
    from aerial.steps.town_ledger import town_and_ledger
    from aerial.steps.verdicts import reject as reject_

    _town, _settings, ledger = town_and_ledger(this_town(), os.environ)
    verdict = reject_(ledger, key, reason, by)
    console.say(f"{verdict.identity} is rejected; it is shown again when it changes.")


def _row(row: "SuspectRow") -> dict[str, Any]:
    return {
        "id": row.key[:12],
        "cell": row.cell,
        "kind": row.kind,
        "score": row.score,
        "rank": row.rank,
        "m2": row.area_m2,
        "height m": row.height_change_m,
        "seen": row.after_on.isoformat(),
        "relation": row.relation,
        "why": row.reason,
    }
