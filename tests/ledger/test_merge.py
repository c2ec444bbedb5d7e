"""Laptops that were offline, merged into headquarters: nothing lost, nothing twice, in any order."""

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import sqlalchemy as sa

from aerial.errors import LedgerError
from aerial.ledger import audit, cases, index, outbox, schema, signoffs, structures
from aerial.ledger.merge import merge
from aerial.ledger.merge_facts import facts_of
from aerial.ledger.merge_replay import replayed
from aerial.ledger.notices import claim_notice
from aerial.ledger.store import Ledger, open_ledger
from aerial.ledger.verdicts import add_verdict
from aerial.records import Case, Observation, Receipt
from tests.ledger.made import DAY, NOON, STEP_DEG, case_of, ingest, observation, receipt, site_result

LATER = DAY + timedelta(days=14)
METRE_DEG = STEP_DEG / 100


class Clock:
    """A clock that goes on by a second at each look, from a minute of its own."""

    def __init__(self, minute: int) -> None:
        self.now = NOON + timedelta(minutes=minute)

    def __call__(self) -> datetime:
        """Return the next second."""
        self.now += timedelta(seconds=1)
        return self.now


@contextmanager
def laptop(tmp_path: Path, number: int) -> Iterator[Ledger]:
    """The ledger of a laptop, in a file."""
    path = tmp_path / f"laptop{number}.sqlite"
    with open_ledger(path, device_name=f"laptop {number}", clock=Clock(number)) as opened:
        yield opened


def elsewhere(number: int, east_m: float = 1.0, **changed: Any) -> Observation:
    """The building ``number`` as another laptop drew it: another key, a metre beside."""
    one = observation(number, **changed)
    shift = east_m * METRE_DEG
    at = replace(one.suspect.at, lon_deg=one.suspect.at.lon_deg + shift)
    outline = shapely.transform(one.suspect.outline, partial(np.add, (shift, 0.0)))
    return replace(one, suspect=replace(one.suspect, key="z" + one.suspect.key, at=at, outline=outline))


def made_case(ledger: Ledger, one: Observation, sinks: tuple[str, ...] = ("city",), **of: Any) -> Case:
    """A case of an observation, accepted on this ledger."""
    with ledger.begin() as tx:
        ingest(tx, [one])
        case = case_of(one, add_verdict(tx, one.suspect.key, "accept", "新增钢棚", "李明"), **of)
        cases.add_case(tx, case, sinks)
    return case


def requested(ledger: Ledger, sink: str = "city") -> outbox.Row:
    """A request goes out for the row that is due, and nothing comes back."""
    with ledger.begin() as tx:
        row = outbox.claim(tx, sink, "worker", 60)
        assert row is not None
        return outbox.sending(tx, row)


def delivered(ledger: Ledger, case: Case, sink: str = "city") -> Receipt:
    """The row is sent and read back."""
    row, proof = requested(ledger, sink), receipt(case)
    with ledger.begin() as tx:
        outbox.confirmed(tx, row, proof, 0.01)
    return proof


def states(ledger: Ledger) -> dict[str, str]:
    """The state of every row."""
    with ledger.read() as tx:
        return {row.id: row.state for row in outbox.rows(tx)}


def everything(ledger: Ledger, *, settled: bool = False) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table; ``settled``: without what only tells when headquarters did what."""
    left_out = {"device_self", "aerial_schema", "audit_heads"} if settled else set()
    columns_out = {"aliases": {"at", "device"}, "outbox": {"next_at", "made_at"}} if settled else {}
    found = {}
    with ledger.read() as tx:
        for table in schema.METADATA.sorted_tables:
            if table.name in left_out:
                continue
            columns = [c for c in table.columns if c.name not in columns_out.get(table.name, set())]
            query = sa.select(*columns)
            if settled and table.name in ("audit", "devices"):
                own = table.c.device if table.name == "audit" else table.c.id
                query = query.where(own != ledger.device)
            if settled and table.name == "audit":
                # To whom it handed over: each order has a headquarters of its own.
                query = query.where(table.c.what != "case.handed")
            rows = [tuple(map(repr, row)) for row in tx.connection.execute(query)]
            found[table.name] = sorted(rows)
    return found


def test_a_laptop_comes_over_whole_and_once(ledger: Ledger, tmp_path: Path) -> None:
    """Suspects, verdicts, cases, results, receipts, sign-offs and notes are there, and again adds nothing."""
    with laptop(tmp_path, 1) as source:
        sent = made_case(source, observation(1))
        waits = made_case(source, observation(2), sinks=("folder",))
        delivered(source, sent)
        with source.begin() as tx:
            ingest(tx, [observation(3), observation(4)])
            add_verdict(tx, observation(3).suspect.key, "reject", "大棚", "王芳")
            cases.add_result(tx, "city", site_result(sent, 1, stage="file", result="confirmed"))
            signoffs.add_signoff(tx, "secrecy", sent.external_key, "李明", "批准")
            claim_notice(tx, "wecom", "陈队员", "digest", "d" * 64)
            index.add_cycle(tx, DAY, 14)
            index.add_pair(
                tx, "A1", "a", "b", suspects_sha256="1" * 64, params_sha256="2" * 64,
                model_sha256="3" * 64, compared_at=NOON,
            )  # fmt: skip
        before = everything(source)
        report = merge(ledger, source)
        assert (report.suspects, report.structures, report.verdicts, report.cases) == (4, 4, 3, 2)
        assert (report.results, report.receipts, report.handed_over, report.aliases) == (1, 1, 1, 0)
        assert (report.doubles, report.not_sent, report.attention) == ((), (), ())
        after = everything(ledger)
        for name in ("suspects", "sightings", "verdicts", "structures", "cases", "results", "receipts",
                     "signoffs", "notices", "cycles", "pairs"):  # fmt: skip
            assert after[name] == before[name], name
        assert set(before["audit"]) < set(after["audit"])
        assert states(ledger) == {f"{sent.external_key}@city": "confirmed",
                                  f"{waits.external_key}@folder": "pending"}  # fmt: skip
        again = merge(ledger, source)
        assert everything(ledger) == after
        assert again == replace(
            report, suspects=0, structures=0, verdicts=0, cases=0, results=0, receipts=0, audit_rows=0,
            handed_over=0, surveys=0,
        )  # fmt: skip
    with ledger.read() as tx:
        assert audit.verify(tx) == ()


def test_the_laptop_hands_its_deliveries_over(ledger: Ledger, tmp_path: Path) -> None:
    """What is pending or may have left is headquarters' to send, looked up first; the laptop sends none."""
    with laptop(tmp_path, 1) as source:
        asked = made_case(source, observation(1))
        requested(source)
        waits = made_case(source, observation(2))
        merge(ledger, source)
        assert states(ledger) == {
            f"{asked.external_key}@city": "ambiguous",
            f"{waits.external_key}@city": "pending",
        }
        assert set(states(source).values()) == {"dead"}
        with source.begin() as tx:
            assert outbox.claim(tx, "city", "worker", 60) is None
            assert {row.error for row in outbox.rows(tx)} == {
                f"handed to headquarters {ledger.device_name} ({ledger.device})"
            }
            assert list(audit.rows(tx))[-1].what == "case.handed"
    with ledger.read() as tx:
        asked_row = outbox.get(tx, asked.external_key, "city")
    assert asked_row.sent_at is not None and asked_row.lease_until is None and asked_row.worker is None


def test_a_kill_between_both_commits_loses_and_doubles_nothing(ledger: Ledger, tmp_path: Path) -> None:
    """Between the laptop's commit and headquarters' own nobody sends; run again, headquarters does."""
    with laptop(tmp_path, 1) as source:
        case = made_case(source, observation(1))
        requested(source)
        other = made_case(source, observation(2))

        def killed(_: object) -> None:
            raise KeyboardInterrupt

        before = everything(ledger)
        sa.event.listen(ledger.engine, "commit", killed)
        with pytest.raises(KeyboardInterrupt):
            merge(ledger, source)
        sa.event.remove(ledger.engine, "commit", killed)
        assert everything(ledger) == before
        assert set(states(source).values()) == {"dead"}
        merge(ledger, source)
    assert states(ledger) == {
        f"{case.external_key}@city": "ambiguous",
        f"{other.external_key}@city": "pending",
    }


def test_a_receipt_that_comes_late_wins(ledger: Ledger, tmp_path: Path) -> None:
    """A request that ran during the merge and is confirmed at the laptop is confirmed by the next merge."""
    with laptop(tmp_path, 1) as source:
        case = made_case(source, observation(1))
        row = requested(source)
        merge(ledger, source)
        with source.begin() as tx:
            assert not outbox.sent(tx, row)
            outbox.confirmed(tx, row, receipt(case), 0.02)
        assert merge(ledger, source).receipts == 1
    assert states(ledger) == {f"{case.external_key}@city": "confirmed"}


def test_what_headquarters_did_since_is_not_undone(ledger: Ledger, tmp_path: Path) -> None:
    """A row that headquarters confirmed, or learned to be unsent, stays so when the laptop comes again."""
    with laptop(tmp_path, 1) as source:
        made_case(source, observation(1))
        made_case(source, observation(2))
        requested(source)
        merge(ledger, source)
        with ledger.begin() as tx:
            for row in outbox.rows(tx):
                if row.state == "ambiguous":
                    mine = outbox.claim(tx, "city", "hq", 60)
                    assert mine is not None
                    assert outbox.retry(tx, mine, NOON, "the peer was busy", "pending")
        before = states(ledger)
        merge(ledger, source)
    assert states(ledger) == before


def test_one_building_of_two_laptops_is_sent_once(ledger: Ledger, tmp_path: Path) -> None:
    """Two laptops accepted the same building: one case is sent, the other is given up and says why."""
    with laptop(tmp_path, 1) as one, laptop(tmp_path, 2) as two:
        first = made_case(one, observation(1))
        second = made_case(two, elsewhere(1))
        merge(ledger, one)
        report = merge(ledger, two)
    kept, other = sorted((first, second), key=lambda case: case.identity)
    assert report.aliases == 1
    assert report.doubles == ()
    assert states(ledger) == {f"{kept.external_key}@city": "pending", f"{other.external_key}@city": "dead"}
    with ledger.begin() as tx:
        assert outbox.get(tx, other.external_key, "city").error == f"double of {kept.external_key}"
        assert cases.case(tx, other.external_key).stage == "cancel"
        assert [now.identity for now in structures.structures(tx, "A1")] == [kept.identity]
        listed = structures.list_suspects(tx, undecided=False)
        assert {(row.identity, row.case) for row in listed} == {(kept.identity, kept.external_key)}
        assert len(listed) == 2
        assert cases.address(tx, "later") == 1
        # What is said of either suspect is said of the one structure.
        for key in (first.suspect.key, second.suspect.key):
            assert [s.identity for s in structures.find_suspect(tx, key).structures] == [kept.identity]
        assert structures.structure(tx, other.identity).identity == kept.identity


def test_what_left_already_is_the_one_that_stands(ledger: Ledger, tmp_path: Path) -> None:
    """The case that a destination holds stands, even under the younger name, and the other is not sent."""
    with laptop(tmp_path, 1) as one, laptop(tmp_path, 2) as two:
        pair = [(one, observation(1)), (two, elsewhere(1))]
        made = [(ledger_, made_case(ledger_, seen)) for ledger_, seen in pair]
        (_, kept), (holder, younger) = sorted(made, key=lambda entry: entry[1].identity)
        delivered(holder, younger)
        for source in (one, two):
            report = merge(ledger, source)
    assert report.doubles == ()
    assert states(ledger) == {
        f"{kept.external_key}@city": "dead",
        f"{younger.external_key}@city": "confirmed",
    }
    with ledger.begin() as tx:
        now = structures.structure(tx, kept.identity)
        assert (now.identity, now.case) == (kept.identity, younger.external_key)
        # What an officer says of the case settles the structure, whatever its name was.
        cases.add_result(tx, "city", site_result(younger, 1, result="demolished", days=3))
        assert structures.structure(tx, kept.identity).state == "gone"


def test_each_destination_gets_the_building_once(ledger: Ledger, tmp_path: Path) -> None:
    """Where one laptop's case has arrived at one of two destinations, only the other is still sent to."""
    with laptop(tmp_path, 1) as one, laptop(tmp_path, 2) as two:
        first = made_case(one, observation(1), sinks=("city", "gis"))
        delivered(one, first, "city")
        second = made_case(two, elsewhere(1), sinks=("city", "gis"))
        for source in (two, one):
            merge(ledger, source)
    assert states(ledger) == {
        f"{first.external_key}@city": "confirmed",
        f"{first.external_key}@gis": "pending",
        f"{second.external_key}@city": "dead",
        f"{second.external_key}@gis": "dead",
    }


def test_what_both_sent_is_told(ledger: Ledger, tmp_path: Path) -> None:
    """Two cases of one building that have both arrived are named, each time, for a person to cancel one."""
    with laptop(tmp_path, 1) as one, laptop(tmp_path, 2) as two:
        made = [made_case(one, observation(1)), made_case(two, elsewhere(1))]
        delivered(one, made[0])
        delivered(two, made[1])
        assert merge(ledger, one).doubles == ()
        report = merge(ledger, two)
        assert merge(ledger, two).doubles == report.doubles
    (told,) = report.doubles
    assert all(case.external_key in told for case in made)
    assert set(states(ledger).values()) == {"confirmed"}
    with ledger.begin() as tx:
        assert cases.address(tx, "later") == 1  # a destination of later gets one of them


def test_two_cases_that_left_for_two_places_stay_there(ledger: Ledger, tmp_path: Path) -> None:
    """Where each of two destinations holds one of the cases, neither is sent the other."""
    with laptop(tmp_path, 1) as one, laptop(tmp_path, 2) as two:
        first = made_case(one, observation(1), sinks=("city", "gis"))
        second = made_case(two, elsewhere(1), sinks=("city", "gis"))
        delivered(one, first, "city")
        delivered(two, second, "gis")
        merge(ledger, one)
        assert len(merge(ledger, two).doubles) == 1
    assert states(ledger) == {
        f"{first.external_key}@city": "confirmed",
        f"{first.external_key}@gis": "dead",
        f"{second.external_key}@city": "dead",
        f"{second.external_key}@gis": "confirmed",
    }


def test_what_headquarters_confirmed_stays_confirmed(ledger: Ledger, tmp_path: Path) -> None:
    """A person revives a row at the laptop that headquarters has delivered meanwhile: it is confirmed."""
    with laptop(tmp_path, 1) as source:
        case = made_case(source, observation(1))
        merge(ledger, source)
        delivered(ledger, case)
        with open_ledger(source.url, clock=lambda: datetime.now().astimezone() + timedelta(days=9)) as later:
            with later.begin() as tx:
                outbox.revive(tx, case.external_key, "city")
            requested(later)
            merge(ledger, later)
    assert states(ledger) == {f"{case.external_key}@city": "confirmed"}


def test_two_stories_of_a_third_device_are_refused(ledger: Ledger, tmp_path: Path) -> None:
    """A chain that came by another ledger must be the one that headquarters knows."""
    with laptop(tmp_path, 1) as source:
        made_case(source, observation(1))
    copy = tmp_path / "copy.sqlite"
    shutil.copy(tmp_path / "laptop1.sqlite", copy)
    with open_ledger(copy, clock=Clock(40)) as other:
        made_case(other, observation(2))
        merge(ledger, other)
    with laptop(tmp_path, 1) as source, laptop(tmp_path, 2) as district:
        made_case(source, observation(3))
        merge(district, source)
        with pytest.raises(LedgerError, match=f"of device {source.device} is another one"):
            merge(ledger, district)


def test_what_was_built_again_is_no_double(ledger: Ledger, tmp_path: Path) -> None:
    """A laptop that saw only what came after a demolition has a case of its own: it is the next episode."""
    with laptop(tmp_path, 1) as one, laptop(tmp_path, 2) as two:
        first = made_case(one, observation(1))
        delivered(one, first)
        with one.begin() as tx:
            cases.add_result(tx, "city", site_result(first, 1, result="demolished", days=5))
        again = made_case(two, elsewhere(1, after_on=LATER))
        merge(ledger, two)
        report = merge(ledger, one)
    assert report.aliases == 1
    assert states(ledger)[f"{again.external_key}@city"] == "pending"
    with ledger.read() as tx:
        now = structures.structure(tx, again.identity)
        assert (now.identity, now.episode, now.state) == (first.identity, 2, "accepted")
        assert (now.case, now.previous) == (again.external_key, first.external_key)


def test_the_newest_verdict_counts_wherever_it_was_given(ledger: Ledger, tmp_path: Path) -> None:
    """Accepted on one laptop and rejected later on another: both stay, nothing is sent."""
    with laptop(tmp_path, 1) as one, laptop(tmp_path, 2) as two:
        case = made_case(one, observation(1))
        with two.begin() as tx:
            ingest(tx, [observation(1)])
            verdict = add_verdict(tx, observation(1).suspect.key, "reject", "有许可", "王芳")
        merge(ledger, one)
        merge(ledger, two)
    assert states(ledger) == {f"{case.external_key}@city": "dead"}
    with ledger.begin() as tx:
        assert structures.structure(tx, case.identity).state == "rejected"
        assert outbox.get(tx, case.external_key, "city").error == "rejected by 王芳: 有许可"
        assert tx.connection.execute(sa.select(schema.cases.c.withdrawn)).scalar() == verdict.id
        assert [v.decision for v in structures.find_suspect(tx, verdict.key).verdicts] == ["accept", "reject"]


def test_a_rejection_of_what_has_left_needs_a_person(ledger: Ledger, tmp_path: Path) -> None:
    """A case that has arrived and is rejected by another laptop stays confirmed, and a person is told."""
    with laptop(tmp_path, 1) as one, laptop(tmp_path, 2) as two:
        case = made_case(one, observation(1))
        delivered(one, case)
        with two.begin() as tx:
            ingest(tx, [observation(1)])
            add_verdict(tx, observation(1).suspect.key, "reject", "有许可", "王芳")
        merge(ledger, one)
        (told,) = merge(ledger, two).attention
    assert case.external_key in told and "王芳" in told
    assert states(ledger) == {f"{case.external_key}@city": "confirmed"}


def test_a_held_case_is_released_and_sent_in_one_place(ledger: Ledger, tmp_path: Path) -> None:
    """Released at headquarters it leaves from there; released at the laptop too, still only from there."""
    with laptop(tmp_path, 1) as source:
        held = made_case(source, observation(1), held=("The unit grid is missing.",))
        merge(ledger, source)
        assert states(ledger) == {}
        with source.begin() as tx:
            cases.replace_case(tx, replace(held, unit_grid="441900003001001", held=()))
        assert states(source) == {f"{held.external_key}@city": "dead"}
        merge(ledger, source)
    assert states(ledger) == {f"{held.external_key}@city": "pending"}
    with ledger.read() as tx:
        assert not cases.case(tx, held.external_key).held


def test_a_result_that_came_before_its_case_counts(ledger: Ledger, tmp_path: Path) -> None:
    """What headquarters read of a case that only the laptop knew settles it when the laptop comes."""
    with laptop(tmp_path, 1) as source:
        case = made_case(source, observation(1), sinks=("city", "gis"))
        delivered(source, case)
        with ledger.begin() as tx:
            cases.add_result(tx, "city", site_result(case, 1, stage="close", result="unfounded"))
        merge(ledger, source)
    with ledger.read() as tx:
        assert cases.case(tx, case.external_key).stage == "close"
        assert structures.structure(tx, case.identity).state == "rejected"
        assert outbox.get(tx, case.external_key, "gis").error == "city says: unfounded"


def test_a_known_building_that_grew_elsewhere_is_the_same(ledger: Ledger, tmp_path: Path) -> None:
    """A laptop without the first picture gave the growth another name; the shared suspect unites both."""
    first, grown = observation(1), observation(1, after_on=LATER, size=1.6, kind="rooftop")
    with laptop(tmp_path, 1) as one, laptop(tmp_path, 2) as two:
        case = made_case(one, first)
        with one.begin() as tx:
            ingest(tx, [grown])
        with two.begin() as tx:
            ingest(tx, [grown])
        merge(ledger, two)
        assert merge(ledger, one).aliases == 1
    with ledger.read() as tx:
        (now,) = structures.structures(tx, "A1")
        assert (now.identity, now.state, now.case) == (case.identity, "accepted", case.external_key)
        assert [row.key for row in structures.list_suspects(tx)] == [grown.suspect.key]


def damaged(ledger: Ledger, **values: Any) -> None:
    """Somebody changes the third audit row."""
    table = schema.audit
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA query_only=OFF")
        connection.execute(table.update().where(table.c.seq == 3).values(values))


def test_a_broken_chain_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    """A changed row of the laptop's audit log is named, and neither ledger changes."""
    with laptop(tmp_path, 1) as source:
        made_case(source, observation(1))
        damaged(source, what="suspect.rejected")
        before, own = everything(ledger), everything(source)
        with pytest.raises(LedgerError, match=f"row 3 of device {source.device}"):
            merge(ledger, source)
        assert (everything(ledger), everything(source)) == (before, own)


def test_a_chain_that_was_cut_or_forked_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    """A laptop that was set back to an older copy is found, and so is one that went on from the copy."""
    with laptop(tmp_path, 1) as source:
        made_case(source, observation(1))
    copy = tmp_path / "copy.sqlite"
    shutil.copy(tmp_path / "laptop1.sqlite", copy)
    with laptop(tmp_path, 1) as source:
        made_case(source, observation(2))
        merge(ledger, source)
        before = everything(ledger)
    with open_ledger(copy, clock=Clock(30)) as cut:
        with pytest.raises(LedgerError, match="rows were removed"):
            merge(ledger, cut)
        for number in range(3, 9):
            made_case(cut, observation(number))
        with pytest.raises(LedgerError, match="forked"):
            merge(ledger, cut)
        assert set(states(cut).values()) == {"pending"}
    assert everything(ledger) == before


def test_a_row_that_is_another_one_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    """A verdict that reads otherwise than at headquarters is named, and nothing is merged."""
    with laptop(tmp_path, 1) as source:
        made_case(source, observation(1))
        merge(ledger, source)
        with source.engine.begin() as connection:
            connection.exec_driver_sql("PRAGMA query_only=OFF")
            connection.execute(schema.verdicts.update().values(by="somebody else"))
        before = everything(ledger)
        with pytest.raises(LedgerError, match="of verdicts is another one"):
            merge(ledger, source)
    assert everything(ledger) == before


def test_a_ledger_is_not_merged_into_itself(ledger: Ledger, ledger_url: str) -> None:
    """The same ledger, and a copy of it, is refused."""
    with open_ledger(ledger_url) as same, pytest.raises(LedgerError, match="this ledger itself"):
        merge(ledger, same)


def season(ledger: Ledger, rng: random.Random, seen: dict[str, Case]) -> None:
    """Random acts of a laptop over two surveys of one or two cells."""
    number_of = rng.sample(range(12), 5)
    for after_on in sorted({DAY, rng.choice([DAY, LATER])}):
        with ledger.begin() as tx:
            found = [
                rng.choice([observation, elsewhere])(
                    number,
                    after_on=after_on,
                    size=1.0 + number % 2 * (after_on != DAY),
                    cell=f"A{number % 2}",
                )
                for number in number_of
            ]
            for cell in ("A0", "A1"):
                ingest(tx, [one for one in found if one.cell == cell])
        for one in found:
            act = rng.random()
            with ledger.begin() as tx:
                row = structures.find_suspect(tx, one.suspect.key).row
                if act < 0.5 and row.waits and row.case is None:
                    verdict = add_verdict(tx, one.suspect.key, "accept", "新增", "李明")
                    case = case_of(one, verdict)
                    cases.add_case(tx, case, ["city", "gis"])
                    seen[case.external_key] = case
                elif act < 0.7 and row.waits and row.case is None:
                    add_verdict(tx, one.suspect.key, "reject", "大棚", "王芳")
        while rng.random() < 0.6:
            with ledger.begin() as tx:
                due = outbox.claim(tx, rng.choice(["city", "gis"]), "w", 1)
                if due is None:
                    break
                due = outbox.sending(tx, due)
                if rng.random() < 0.6:
                    case = cases.case(tx, due.external_key)
                    outbox.confirmed(tx, due, receipt(case, NOON + timedelta(days=2)), 0.01)
                    if rng.random() < 0.5:
                        result = rng.choice(["demolished", "unfounded", "confirmed"])
                        cases.add_result(
                            tx, due.sink, site_result(case, rng.randrange(10**9), result=result, days=3)
                        )


def test_the_order_of_laptops_does_not_matter(ledger: Ledger, tmp_path: Path) -> None:
    """Twenty laptops that saw the same buildings make one state in whatever order, and twice changes none."""
    rng = random.Random(7)
    known: dict[str, Case] = {}
    for number in range(20):
        with laptop(tmp_path, number) as source:
            season(source, rng, known)
    order = list(range(20))
    reached = []
    for turn in range(2):
        rng.shuffle(order)
        with open_ledger(tmp_path / f"hq{turn}.sqlite", device_name="hq") as other:
            target = ledger if turn == 0 else other
            for number in order:
                copy = tmp_path / f"turn{turn}-{number}.sqlite"
                shutil.copy(tmp_path / f"laptop{number}.sqlite", copy)
                with open_ledger(copy, clock=Clock(100)) as source:
                    merge(target, source)
                    if number % 7 == 0:
                        merge(target, source)
            reached.append(everything(target, settled=True))
            with target.read() as tx:
                assert audit.verify(tx) == ()
                assert len(cases.list_cases(tx)) == len(known)
                _require_one_open_row(tx)
    for name, rows in reached[0].items():
        assert rows == reached[1][name], name


def _require_one_open_row(tx: Any) -> None:
    """No two cases of one structure and episode may still be sent to one destination."""
    table, rows = schema.cases, schema.outbox
    query = (
        sa.select(table.c.identity, table.c.episode, rows.c.sink, sa.func.count())
        .join(rows, rows.c.external_key == table.c.external_key)
        .where(rows.c.state.in_(("pending", "sent", "ambiguous")))
        .group_by(table.c.identity, table.c.episode, rows.c.sink)
    )
    assert all(count == 1 for *_, count in tx.connection.execute(query))


def test_a_replay_tells_what_the_ledger_tells(tmp_path: Path) -> None:
    """Worked out of what was added alone, every structure of one ledger is what its acts had made of it."""
    for seed in range(6):
        with laptop(tmp_path, seed) as source:
            season(source, random.Random(seed), {})
            with source.read() as tx:
                known = structures.structures(tx, "A0", "A1")
                facts = facts_of(tx, [now.identity for now in known])
                assert known
                for now in known:
                    assert replayed((now.identity,), facts).structure == now
