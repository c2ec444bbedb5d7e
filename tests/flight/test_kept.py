"""What a vehicle held before an upload: kept until what replaced it is proved."""

import json
import math
from pathlib import Path

import pytest

from aerial.errors import InputError
from aerial.flight.mission.kept import Kept
from aerial.records import MissionItem


def items(*commands: int, last: float = 0.0) -> tuple[MissionItem, ...]:
    """Return items."""
    return tuple(
        MissionItem(seq=seq, frame=3, command=command, params=(1.5, 0, 0, last, 22.8, 113.8, 30.129))
        for seq, command in enumerate(commands)
    )


def test_kept(tmp_path: Path) -> None:
    """What was held comes back from the file as it was, by kind, in a later process too."""
    path = tmp_path / "before.json"
    kept = Kept(path, "ardupilot")
    kept.keep("mission", items(16, 22))
    kept.keep("fence", ())
    kept.keep("rally", None)
    again = Kept(path, "ardupilot")
    assert again.items("mission") == items(16, 22)
    assert again.items("fence") == ()
    assert again.items("rally") is None


def test_the_mix_is_not_kept(tmp_path: Path) -> None:
    """After an upload that failed, the mix that it left does not replace the old mission, however often."""
    path = tmp_path / "before.json"
    Kept(path, "ardupilot").keep("mission", items(16, 22))
    for _ in range(3):
        Kept(path, "ardupilot").keep("mission", items(16, 530))
    assert Kept(path, "ardupilot").items("mission") == items(16, 22)


def test_proved_is_replaced(tmp_path: Path) -> None:
    """Once what replaced it is proved, the next upload keeps what is held then; other kinds stay."""
    path = tmp_path / "before.json"
    kept = Kept(path, "ardupilot")
    kept.keep("mission", items(16, 22))
    kept.keep("fence", items(5001))
    kept.proved("mission")
    for kind in ("mission", "fence"):
        Kept(path, "ardupilot").keep(kind, items(16, 21))  # type: ignore[arg-type]
    assert Kept(path, "ardupilot").items("mission") == items(16, 21)
    assert Kept(path, "ardupilot").items("fence") == items(5001)


def test_other_firmware(tmp_path: Path) -> None:
    """Items of another firmware are nothing to give back."""
    path = tmp_path / "before.json"
    Kept(path, "ardupilot").keep("mission", items(16))
    assert Kept(path, "px4").items("mission") is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 3.4e38, 1e-45, -0.0])
def test_numbers(tmp_path: Path, value: float) -> None:
    """Every number that a vehicle may hold goes through the file, which stays plain JSON."""
    path = tmp_path / "before.json"
    Kept(path, "ardupilot").keep("mission", items(16, last=value))

    def refuse(name: str) -> None:
        raise AssertionError(name)

    json.loads(path.read_text(), parse_constant=refuse)
    (item,) = Kept(path, "ardupilot").items("mission") or ()
    assert repr(item.params[3]) == repr(value)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"autopilot": "ardupilot", "mission": {"proved": false, "items": [{"seq": 0}]}}',
        '{"autopilot": "ardupilot", "mission": {"proved": false, "items": 5}}',
        '{"autopilot": "ardupilot", "mission": [1]}',
        '{"autopilot": "ardupilot", "mission": {"proved": false, "items": '
        '[{"seq": 0, "frame": 3, "command": 16, "params": [1, 2]}]}}',
    ],
)
def test_changed_file(tmp_path: Path, content: str) -> None:
    """A file that was changed to something else is an error of ours with a hint, never given to a vehicle."""
    path = tmp_path / "before.json"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        Kept(path, "ardupilot").items("mission")
    assert caught.value.hint


@pytest.mark.parametrize("row", ["null", "[]", "{}", "5", '{"items": []}'])
def test_upload_over_a_changed_file(tmp_path: Path, row: str) -> None:
    """Where the file holds no mission, an upload keeps what is held now."""
    path = tmp_path / "before.json"
    path.write_text(f'{{"autopilot": "ardupilot", "mission": {row}}}')
    kept = Kept(path, "ardupilot")
    kept.keep("mission", items(16))
    assert Kept(path, "ardupilot").items("mission") == items(16)
