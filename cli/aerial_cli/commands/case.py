"""``aerial case``: from accepted suspects to the city's case system, proved, and back."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aerial_cli import console
from aerial_cli.commands.suspects import BY, JSON
from aerial_cli.town import this_town

if TYPE_CHECKING:
    from aerial.ledger.store import Ledger
    from aerial.records import SignoffKind
    from aerial.settings import Settings
    from aerial.workspace import Town

NEW = click.Path(path_type=Path, exists=False)


@click.group()
def command() -> None:
    """Deliver cases, read back what became of them, prove that nothing was changed.

    Example: aerial case push
    """


@command.command()
@click.argument("sink", required=False)
@click.option("--watch", is_flag=True, help="Go on delivering until interrupted.")
@click.option("--revive", metavar="CASE", help="Take up a case again that was given up, after mending why.")
@click.option("--strict", is_flag=True, help="Exit with 1 when something is not delivered.")
@JSON
def push(sink: str | None, watch: bool, revive: str | None, strict: bool, as_json: bool) -> int:
    """Deliver what is due to all destinations of aerial.toml, or to SINK.

    A case counts as delivered when it was read back from there, at its place. What may have arrived is
    looked up before it is sent again. Killed or interrupted, the same command goes on.

    Example: aerial case push
    """
    from aerial.codec import to_plain
    from aerial.steps import deliver
    from aerial.steps.notices import notify

    town, settings, ledger = _open()
    if revive is not None:
        deliver.revive(settings, ledger, revive, sink)
    done = deliver.push(
        town,
        settings,
        ledger,
        sink,
        os.environ,
        lambda turn: console.say(f"{turn.external_key} {turn.sink}: {turn.done}, {turn.text}"),
        watch=watch,
    )
    notify(town, settings, ledger, os.environ, console.say)
    rows = [
        {"sink": one.sink, **{state: one.states.get(state, 0) for state in deliver.STATES}} for one in done
    ]
    console.table(to_plain(rows), as_json=as_json)
    open_ = sum(count for one in done for state, count in one.states.items() if state != "confirmed")
    return int(strict and open_ > 0)


@command.command()
@click.argument("sink", required=False)
@JSON
def pull(sink: str | None, as_json: bool) -> int:
    """Read stages and officers' results from all destinations, or from SINK; write reviewed.geojson.

    Example: aerial case pull
    """
    from aerial.codec import to_plain
    from aerial.steps import deliver

    town, settings, ledger = _open()
    acts: list[object] = []
    new, failed = deliver.pull_all(town, settings, ledger, sink, os.environ, acts.append)
    console.table(to_plain(acts), as_json=as_json)
    console.say(f"{new} new result(s).")
    for text in failed:
        console.say(f"Error: {text}")
    return int(bool(failed))


@command.command()
@click.argument("sink", required=False)
@click.option("--strict", is_flag=True, help="Exit with 1 when something differs.")
@JSON
def reconcile(sink: str | None, strict: bool, as_json: bool) -> int:
    """Compare what the destinations hold with the ledger: doubles, what vanished, what moved.

    Nothing is changed, here or there.

    Example: aerial case reconcile
    """
    from aerial.codec import to_plain
    from aerial.steps import deliver

    town, settings, ledger = _open()
    with console.progress() as progress:
        found = deliver.reconcile_all(town, settings, ledger, sink, os.environ, progress)
    rows = [{"case": one.external_key, "sink": one.sink, "what": one.what, "text": one.text} for one in found]
    console.table(to_plain(found) if as_json else rows, as_json=as_json)
    console.say(f"{len(found)} difference(s)." if found else "Ledger and destinations agree.")
    return int(strict and bool(found))


@command.command()
@click.argument("case")
@BY
@click.option("--unit-grid", help="15 digits of the unit grid (单元网格), where a border is near.")
@click.option("--community", help="The community (社区), where a border is near.")
@click.option("--distinct", multiple=True, metavar="CASE", help="This other case is another building.")
@click.option("--number", type=click.IntRange(0), help="Running number, where the code ends in one.")
@JSON
def release(
    case: str,
    by: str,
    unit_grid: str | None,
    community: str | None,
    distinct: tuple[str, ...],
    number: int | None,
    as_json: bool,
) -> int:
    """Complete a held CASE with what only a person can say; exits with 1 while it is still held.

    Example: aerial case release S-3f2a-1 --by "Li Min" --unit-grid 441900123456007
    """
    from aerial.codec import to_plain
    from aerial.steps.verdicts import Said
    from aerial.steps.verdicts import release as release_

    town, settings, ledger = _open()
    said = Said(unit_grid=unit_grid, community=community, distinct=distinct, number=number)
    made = release_(town, settings, ledger, case, said, by)
    if as_json:
        console.data(to_plain(made))
    for reason in made.held:
        console.say(f"Held: {reason}")
    if not made.held:
        console.say("It may leave now: aerial case push")
    return int(bool(made.held))


@command.command("sign-off")
@click.argument("kind", type=click.Choice(["raw_photographs", "contiguous_25km2", "secrecy"]))
@click.argument("subject", metavar="CASE")
@click.option("--reason", required=True, help="Why; stands in the ledger.")
@BY
def sign_off(kind: "SignoffKind", subject: str, reason: str, by: str) -> None:
    """Record that a named person lets CASE leave with what else would not.

    Example: aerial case sign-off raw_photographs S-3f2a-1 --by "Li Min" --reason "asked for by the court"
    """
    from aerial.steps.deliver import sign

    _town, _settings, ledger = _open()
    sign(ledger, kind, subject, by, reason)
    console.say(f"{by} signed {kind} for {subject}.")


@command.command()
@click.argument("cases", nargs=-1, required=True)
@click.option("--out", type=NEW, required=True, help="Folder, or file that ends in .zip; must not exist.")
def package(cases: tuple[str, ...], out: Path) -> None:
    """Write the evidence package (BagIt) of CASES, and print the root hash that stands for it.

    Example: aerial case package S-3f2a-1 --out S-3f2a-1.zip
    """
    from aerial.steps.evidence import package_cases

    town, _settings, ledger = _open()
    with console.progress() as progress:
        made = package_cases(town, ledger, cases, out, progress)
    if made.missing:
        console.say(
            f"{len(made.missing)} supporting file(s) are not in it; files.json names each, why, and its hash."
        )
    console.line("package", made.path)
    console.line("root", made.root_sha256)


@command.command()
@click.argument("package", required=False, type=click.Path(path_type=Path, exists=True))
@click.option("--root", help="The root hash that the report prints.")
@JSON
def verify(package: Path | None, root: str | None, as_json: bool) -> int:
    """Check an evidence PACKAGE on its own, offline; without one, the audit log of the town's ledger.

    Names every file or row that was changed, removed or added. Exits with 1 if there is one.

    Example: aerial case verify S-3f2a-1.zip
    """
    from aerial.codec import to_plain

    if package is not None:
        from aerial.evidence.verify import verify_package

        findings = verify_package(package, root=root)
        console.table(to_plain(findings), as_json=as_json)
        return int(any(finding.level == "fail" for finding in findings))
    from aerial.steps.evidence import verify_ledger

    _town, _settings, ledger = _open()
    wrong, heads = verify_ledger(ledger)
    console.table([{"finding": text} for text in wrong] if wrong else heads, as_json=as_json)
    console.say(f"{len(wrong)} finding(s)." if wrong else "The audit log is whole.")
    return int(bool(wrong))


@command.command()
@click.argument("other", metavar="LEDGER")
@JSON
def merge(other: str, as_json: bool) -> int:
    """Take in the ledger of a laptop that was offline: a file, or the URL of a database.

    The same again changes nothing. Cases that two laptops made of one building are shown, not sent twice.

    Example: aerial case merge /media/laptop3/ledger.sqlite
    """
    from aerial.codec import to_plain
    from aerial.steps.merge import merge_ledger

    _town, _settings, ledger = _open()
    report = merge_ledger(ledger, other)
    if as_json:
        console.data(to_plain(report))
    else:
        for name, value in to_plain(report).items():
            console.line(name.replace("_", " "), len(value) if isinstance(value, list | tuple) else value)
    for text in report.doubles:
        console.say(text)
    return 0


def _open() -> "tuple[Town, Settings, Ledger]":
    from aerial.steps.town_ledger import town_and_ledger

    return town_and_ledger(this_town(), os.environ)
