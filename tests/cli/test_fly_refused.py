"""What ``aerial fly`` refuses before anything is sent, and its help."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.test_fly import KEY, small_plan

from aerial.codec import write_json
from aerial_cli.main import run

BAD = {
    "no plan there": (["check", "{empty}"], 1, "plan.json is not there"),
    "broken plan": (["check", "{broken}"], 1, "not readable JSON"),
    "no such sortie": (["check", "{two}", "--sortie", "3"], 1, "no sortie 3"),
    "several sorties": (["check", "{two}"], 1, "--sortie: 1 to 2"),
    "refused port": (["upload", "{one}"], 1, "Connection refused"),
    "nonsense": (["compare", "{one}", "--link", "pigeon"], 1, "'pigeon' is not a link"),
    "no serial port": (["watch", "{one}", "--link", "serial:/dev/none:57600"], 1, "cannot be opened"),
    "no speed": (["watch", "{one}", "--link", "serial:/dev/none"], 1, "no serial port with a speed"),
    "open key": (["check", "{one}", "--key-file", "{key}"], 1, "chmod 600"),
    "no fence": (["upload", "{astray}", "--link", "sim:?speedup=100"], 1, "leaves the fence of its plan"),
    "bad setting": (["check", "{one}", "--link", "sim:?speed=3"], 1, "'speed=3' is no setting"),
    "bad value": (["check", "{one}", "--link", "sim:?loss=2"], 1, "'loss=2' is no setting"),
    "watched sim": (["watch", "{one}", "--link", "sim:"], 1, "aerial fly start with --link sim:"),
    "nobody flies": (["abort"], 1, "No aerial of yours"),
    "nothing flown": (["resume", "{one}"], 1, "holds no flight log"),
    "hurricane": (["rehearse", "{one}", "--wind", "500,0"], 1, "nothing flies"),
    "absent plan": (["check", "{root}/none"], 2, "does not exist"),
    "no number": (["start", "{one}", "--confirm", "x"], 2, "not a valid integer"),
    "clear and restore": (["upload", "{one}", "--clear", "mission", "--restore"], 2, "--clear and --restore"),
    "no link": (["check", "{one}"], 2, "--link"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be flown is refused with a message and, unless the usage is wrong, a hint."""
    arguments, code, message = BAD[name]
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    if name not in ("no link", "nobody flies"):
        monkeypatch.setenv("AERIAL_LINK", "tcp:127.0.0.1:1")
    one = small_plan(tmp_path / "one")
    small_plan(tmp_path / "two", sorties=2)
    write_json(tmp_path / "astray" / "plan.json", replace(one, fence=(one.area[0].buffer(-0.0005),)))
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.json").write_text('{"cell":', "utf-8")
    (tmp_path / "key").write_text(KEY, "utf-8")
    (tmp_path / "key").chmod(0o644)
    places = {part: str(tmp_path / part) for part in ("one", "two", "astray", "empty", "key")}
    places |= {"root": str(tmp_path), "broken": str(tmp_path / "broken.json")}
    assert run(["fly", *(argument.format(**places) for argument in arguments)]) == code
    said = capsys.readouterr()
    assert message in said.err
    assert ("Hint: " in said.err) == (code == 1)
    assert not said.out


def test_help_lists_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """The help of aerial fly names its eight commands."""
    assert run(["fly", "--help"]) == 0
    named = re.findall(r"^  ([a-z]+) {2,}", capsys.readouterr().out.split("Commands:")[1], re.M)
    assert named == ["check", "upload", "compare", "start", "watch", "abort", "resume", "rehearse"]
