"""Suspects, cases, reports and packages at the command line, as a reviewer meets them."""

import json
import re
from pathlib import Path

import pytest
from tests.steps.compared import compare, with_cases
from tests.steps.made import make_town

from aerial.workspace import Town
from aerial_cli.main import run

HOUSE, SHED = (0.0, 0.0, 10.0, 8.0), (40.0, 0.0, 5.0, 5.0)


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """A town with two suspects, whose cases leave into a folder."""
    made = with_cases(make_town(tmp_path / "town"))
    compare(made, "2030-03-04-1", "2030-04-01-1", (HOUSE, "new"), (SHED, "new"))
    return made


def call(town: Town, *words: str) -> int:
    """Run ``aerial`` on the town."""
    return run(["-C", str(town.root), *words])


def keys(town: Town, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the short keys of the suspects that wait."""
    assert call(town, "suspects", "list", "--json") == 0
    return [row["id"] for row in json.loads(capsys.readouterr().out)]


def test_from_the_list_to_a_delivered_case(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    """List, show, accept, push, pull, report, package, verify: each works on what the last one left."""
    first, second = keys(town, capsys)
    assert call(town, "suspects", "show", first) == 0
    shown = capsys.readouterr().out
    assert "EPSG:4547" in shown
    assert "-after.jpg" in shown
    assert call(town, "suspects", "accept", first, "--reason", "new", "--by", "李敏") == 0
    said = capsys.readouterr().err
    case = re.findall(r"Case (S-\w+-1)\.", said)[0]
    assert call(town, "suspects", "reject", second, "--reason", "tent", "--by", "李敏") == 0
    assert keys(town, capsys) == []
    assert call(town, "case", "push", "--strict", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["confirmed"] == 1
    assert call(town, "case", "pull") == 0
    assert call(town, "case", "reconcile", "--strict") == 0
    assert call(town, "report", case, "--format", "geojson", "--format", "pdf") == 0
    assert (town.root / "reports" / case / "report.pdf").is_file()
    capsys.readouterr()
    package = town.root / "p.zip"
    assert call(town, "case", "package", case, "--out", str(package)) == 0
    root = re.findall(r"root:\s+([0-9a-f]{64})", capsys.readouterr().out)[0]
    assert call(town, "case", "verify", str(package), "--root", root) == 0
    assert call(town, "case", "verify") == 0
    assert call(town, "status") == 0


def test_a_changed_package_is_named_and_fails(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    """One changed byte of a picture in the package: exit code 1, and the file's name."""
    first, _ = keys(town, capsys)
    call(town, "suspects", "accept", first, "--reason", "new", "--by", "李敏")
    case = re.findall(r"Case (S-\w+-1)\.", capsys.readouterr().err)[0]
    package = town.root / "p"
    call(town, "case", "package", case, "--out", str(package))
    picture = next(package.rglob("*-after.jpg"))
    data = bytearray(picture.read_bytes())
    data[100] ^= 1
    picture.write_bytes(data)
    capsys.readouterr()
    assert call(town, "case", "verify", str(package)) == 1
    assert picture.name in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ("suspects", "show", "nothing"),
        ("suspects", "accept", "zz", "--reason", "r", "--by", "A"),
        ("suspects", "accept", "FIRST", "--reason", " ", "--by", "A"),
        ("suspects", "reject", "FIRST", "--reason", "r", "--by", "\t"),
        ("suspects", "list", "--cycle", "2031-01-01"),
        ("case", "push", "nowhere"),
        ("case", "push", "--revive", "S-1-1"),
        ("case", "pull", "nowhere"),
        ("case", "release", "S-000000000000-1", "--by", "A"),
        ("case", "sign-off", "raw_photographs", "S-1-1", "--reason", "r", "--by", "A"),
        ("case", "package", "../../etc", "--out", "OUT"),
        ("case", "merge", "absent.sqlite"),
        ("case", "merge", "postgresql://u:hunter2@127.0.0.1:1/x"),
        ("report", "S-1-1"),
        ("report", "--cycle", "2031-01-01"),
        ("photos", "retain"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_hint(
    town: Town, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """Exit code 1, a message and a hint, no traceback, no password, and not a row in the audit log."""
    first, _ = keys(town, capsys)
    given = [{"FIRST": first, "OUT": str(town.root / "out.zip")}.get(word, word) for word in words]
    call(town, "case", "verify", "--json")
    before = capsys.readouterr().out
    assert call(town, *given) == 1
    said = capsys.readouterr().err
    assert "Error: " in said
    assert "Hint: " in said
    assert "Traceback" not in said
    assert "hunter2" not in said
    call(town, "case", "verify", "--json")
    assert capsys.readouterr().out == before


def test_a_broken_ledger_is_refused_and_kept(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is no ledger is named with a hint and stays as it is."""
    town.ledger_file.write_bytes(b"this is not a database, but somebody's text " * 100)
    before = town.ledger_file.read_bytes()
    assert call(town, "suspects", "list") == 1
    assert "Hint: " in capsys.readouterr().err
    assert town.ledger_file.read_bytes() == before


def test_names_from_outside_do_no_harm(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    """HTML, formulas and control signs in a reason and a name are kept as text, escaped where it matters."""
    first, _ = keys(town, capsys)
    evil = '=HYPERLINK("http://x")<script>alert(1)</script>'
    assert call(town, "suspects", "accept", first, "--reason", evil, "--by", "<b>A</b>") == 0
    assert call(town, "report", "--format", "html", "--format", "xlsx") == 0
    pages = "".join(path.read_text("utf-8") for path in (town.root / "reports").rglob("*.html"))
    assert "<script>alert" not in pages
    assert "<b>A</b>" not in pages
