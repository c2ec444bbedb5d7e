"""Photographs are given the shot that is theirs, or the folder is refused."""

from dataclasses import replace

import numpy as np
import pytest

from aerial.errors import PhotoError
from aerial.photos import alignment
from aerial.photos.geotag import Geotags, match_photos, missing_indices, stamp_resolution_s
from aerial.photos.order import in_camera_order
from aerial.records import LonLat, Photo, ShotRecord
from benchmarks.geotag import flight, ours, photo, shot

AHEAD_S = 28_803.4


def lines(*counts: int, every_s: float = 2.1, gap_s: float = 9.0) -> list[float]:
    """Return when the shutter is fired on lines of so many photographs, at equal intervals."""
    times, clock = [], 100.0
    for count in counts:
        times += [clock + every_s * n for n in range(count)]
        clock = times[-1] + gap_s
    return times


def log_of(times: list[float], *, lost: tuple[int, ...] = (), source: str = "bin") -> list[ShotRecord]:
    """Return the log, shots numbered from 1, without the ``lost`` ones."""
    return [shot(n, t, source=source) for n, t in enumerate(times, start=1) if n not in lost]


def photos_of(
    times: list[float],
    *,
    dropped: tuple[int, ...] = (),
    jump: dict[int, float] | None = None,
    extra: tuple[float, ...] = (),
    step_s: float = 1.0,
) -> tuple[list[Photo], dict[str, int | None]]:
    """Return photographs and the truth; ``jump``: before the photograph of which shot, by how much."""
    taken: list[tuple[float, int | None]] = [(t, n) for n, t in enumerate(times, start=1) if n not in dropped]
    ahead, photos, truth = AHEAD_S, [], {}
    for number, (moment, which) in enumerate(sorted(taken + [(t, None) for t in extra], key=lambda o: o[0])):
        ahead += (jump or {}).get(which or 0, 0.0)
        name = f"DSC{number + 1:05d}.JPG"
        photos.append(photo(name, (moment + ahead) // step_s * step_s))
        truth[name] = which
    return photos, truth


def said(tags: Geotags) -> dict[str, int | None]:
    """Return the match as the truth is told."""
    return {tag.file: tag.shot.index for tag in tags.tagged} | dict.fromkeys(tags.extra)


FLIGHT = lines(9, 12, 10, 12, 9)


@pytest.mark.parametrize(
    "dropped",
    [(), (1,), (52,), (26,), (9, 10), (22,), (1, 2, 3), (51, 52), (20, 21, 22, 23, 24), (3, 17, 40)],
)
def test_dropped_shots_are_named_wherever_they_are(dropped: tuple[int, ...]) -> None:
    """At the start, at the end, at a line's end, inside a line, several in a row: in stamps of 1 s."""
    photos, truth = photos_of(FLIGHT, dropped=dropped)
    tags = match_photos(photos, log_of(FLIGHT), lossy=False)
    assert said(tags) == truth
    assert tuple(one.index for one in tags.dropped) == dropped
    assert tags.residual_p95_s <= 0.55


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, 37.0, -37.0, 86_400.0 * 400, 0.0])
@pytest.mark.parametrize("before", [4, 10, 16, 30, 48])
def test_a_clock_that_jumps_is_followed(jump_s: float, before: int) -> None:
    """An hour, 37 s, a year, forward or back, inside a line or between two; place and size are said."""
    photos, truth = photos_of(FLIGHT, jump={before: jump_s}, dropped=(40,))
    tags = match_photos(photos, log_of(FLIGHT), lossy=False)
    assert said(tags) == truth
    offsets = [stretch.offset_s for stretch in tags.stretches]
    assert len(offsets) == (2 if jump_s else 1)
    if jump_s:
        assert offsets[1] - offsets[0] == pytest.approx(jump_s, abs=0.8)
        assert tags.stretches[1].first == f"DSC{before - (before > 40):05d}.JPG"
        assert "clock_jump" in [finding.code for finding in tags.findings]


def test_repeated_stamps_are_told_apart_by_their_order() -> None:
    """At 1.3 photographs a second many stamps of 1 s occur twice; counts and turns tell them apart."""
    times = lines(20, 25, 20, every_s=0.77)
    photos, truth = photos_of(times)
    stamps = [one.taken_at for one in photos]
    assert len(set(stamps)) < len(stamps) - 10
    assert said(match_photos(photos, log_of(times), lossy=False)) == truth


def test_photographs_on_the_ground_are_named_and_get_no_position() -> None:
    """Two test photographs before the flight and one after it have no shot."""
    photos, truth = photos_of(FLIGHT, extra=(20.0, 31.0, 700.0), dropped=(13,))
    tags = match_photos(photos, log_of(FLIGHT), lossy=False)
    assert said(tags) == truth
    assert tags.extra == ("DSC00001.JPG", "DSC00002.JPG", "DSC00054.JPG")


def test_photographs_that_the_log_lost_get_no_position() -> None:
    """Shots lost on the radio are known by their numbers; their photographs are named as such."""
    lost = (7, 30, 31)
    photos, truth = photos_of(FLIGHT, dropped=(18,))
    truth |= {name: None for name, which in truth.items() if which in lost}
    shots = log_of(FLIGHT, lost=lost, source="feedback")
    tags = match_photos(photos, shots, lossy=True)
    assert said(tags) == truth
    assert tags.extra == tags.unlogged == ("DSC00007.JPG", "DSC00029.JPG", "DSC00030.JPG")
    assert missing_indices(shots) == lost


def test_of_two_sorties_in_one_folder_the_logged_one_is_found() -> None:
    """The other sortie's photographs, of lines of other lengths, get no position."""
    second = [t + 2000.0 for t in lines(11, 10, 13, 8)]
    photos, truth = photos_of(FLIGHT + second, dropped=(60,))
    assert said(match_photos(photos, log_of(FLIGHT + second), lossy=False)) == truth
    tags = match_photos(photos, log_of(FLIGHT), lossy=False)
    assert said(tags) == {name: which if which and which <= 52 else None for name, which in truth.items()}


def test_one_line_of_equal_intervals_with_a_shot_too_many_is_refused() -> None:
    """Whether the first or the last shot was dropped, no time can tell: it is refused, and said why."""
    times = lines(20)
    for dropped in ((1,), (20,)):
        photos, _ = photos_of(times, dropped=dropped)
        with pytest.raises(PhotoError, match="in two ways") as refusal:
            match_photos(photos, log_of(times), lossy=False)
        assert "times alone cannot tell" in refusal.value.hint


def test_one_line_with_equal_counts_is_matched_unless_the_log_may_lack_shots() -> None:
    """Counts decide a lone line of the vehicle's own log; of a radio's log the last shot may be lost."""
    times = lines(20)
    photos, truth = photos_of(times)
    assert said(match_photos(photos, log_of(times), lossy=False)) == truth
    with pytest.raises(PhotoError, match="in two ways"):
        match_photos(photos, log_of(times, source="feedback"), lossy=True)


def test_a_test_photograph_that_may_be_the_first_shot_is_refused() -> None:
    """First shot dropped, one photograph before: a clock that jumped after it would look the same."""
    photos, _ = photos_of(FLIGHT, extra=(20.0,), dropped=(1,))
    with pytest.raises(PhotoError, match="may be no shot of the log or shot 1") as refusal:
        match_photos(photos, log_of(FLIGHT), lossy=False)
    assert "move them out" in refusal.value.hint


def test_the_log_of_another_flight_is_refused() -> None:
    """Photographs of other lines fit a log only by many jumps of the clock, or not at all."""
    photos, _ = photos_of(lines(14, 7, 16, 5, 11, 8, every_s=1.7, gap_s=6.3), step_s=0.01)
    with pytest.raises(PhotoError) as refusal:
        match_photos(photos, log_of(FLIGHT), lossy=False)
    assert refusal.value.hint


def test_positions_in_the_photographs_are_a_check() -> None:
    """Positions of their own that lie elsewhere refute a match; those that agree change nothing."""
    photos, truth = photos_of(FLIGHT)
    shots = log_of(FLIGHT)
    there = [replace(one, at=two.at) for one, two in zip(photos, shots, strict=True)]
    assert said(match_photos(there, shots, lossy=False)) == truth
    moved = [replace(one, at=LonLat(lon_deg=113.9, lat_deg=22.8)) for one in photos]
    with pytest.raises(PhotoError, match="positions that 52 photographs carry"):
        match_photos(moved, shots, lossy=False)


def test_a_clock_that_is_weeks_off_is_warned_of() -> None:
    """The log of a fortnight ago over the same lines would fit: the date is the only sign."""
    photos, _ = photos_of(FLIGHT)
    shots = [replace(one, time_s=one.time_s + 1.7e9) for one in log_of(FLIGHT)]
    tags = match_photos(photos, shots, lossy=False)
    assert [finding.code for finding in tags.findings] == ["clock_far"]


def test_a_photograph_without_a_time_is_left_out_and_named() -> None:
    """It cannot be placed; the others can."""
    photos, truth = photos_of(FLIGHT)
    photos[10] = replace(photos[10], taken_at=None)
    tags = match_photos(photos, log_of(FLIGHT), lossy=False)
    assert said(tags) == {name: which for name, which in truth.items() if name != photos[10].file}
    assert "DSC00011.JPG tell no time" in tags.findings[0].message


@pytest.mark.parametrize("photos_n", [0, 3])
def test_too_few_are_refused(photos_n: int) -> None:
    """Three times can be anything."""
    photos, _ = photos_of(FLIGHT)
    with pytest.raises(PhotoError, match="too few"):
        match_photos(photos[:photos_n], log_of(FLIGHT), lossy=False)


def test_series_without_end_are_refused_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two long series that have little in common end in a sentence, not in the swap."""
    monkeypatch.setattr(alignment, "_MOST_BYTES", 100_000)
    photos, _ = photos_of(FLIGHT)
    with pytest.raises(PhotoError, match="too unlike"):
        match_photos(photos, log_of(FLIGHT), lossy=False)


def test_names_that_begin_again_are_put_in_order() -> None:
    """DSC00001 follows DSC09999 in one folder; a gap that is no wrap changes nothing."""
    names = [f"100/DSC{n:05d}.JPG" for n in (*range(9990, 10_000), *range(1, 12))]
    ordered = in_camera_order([photo(name, 0.0) for name in reversed(names)])
    assert [one.file for one in ordered] == names
    plain = ["a.JPG", "b.JPG", "DSC00001.JPG", "DSC00009.JPG"]
    assert [one.file for one in in_camera_order([photo(name, 0.0) for name in plain])] == sorted(plain)
    short = [f"DSC{n:05d}.JPG" for n in (*range(1, 5), *range(9000, 9005))]
    assert [one.file for one in in_camera_order([photo(name, 0.0) for name in short])] == short


def test_numbers_of_16_bits_wrap() -> None:
    """65535 is followed by 0; a number that starts again is a reboot, of which nothing is known to miss."""
    times = [100.0, 102.0, 104.0, 106.0]
    wrapped = [replace(shot(1, t), index=n) for t, n in zip(times, (65_534, 65_535, 0, 2), strict=True)]
    assert missing_indices(wrapped) == (1,)
    rebooted = [replace(shot(1, t), index=n) for t, n in zip(times, (311, 312, 1, 2), strict=True)]
    assert missing_indices(rebooted) == ()


@pytest.mark.parametrize(
    ("stamps", "step_s"),
    [([0, 2, 4] * 6, 2.0), ([0, 2, 4], 1.0), ([0, 1, 4], 1.0), ([0.1, 2.3], 0.1), ([0.11, 2.3], 0.01)],
)
def test_the_step_of_stamps_is_seen(stamps: list[float], step_s: float) -> None:
    """Even seconds in a long row are steps of 2 s; hundredths are hundredths."""
    assert stamp_resolution_s(np.array(stamps, float) + 1.79e9) == step_s


def test_seeded_flights_are_right_or_refused_never_wrong() -> None:
    """On 200 flights with every trouble no photograph gets another's shot; most flights are matched."""
    verdicts = {"right": 0, "refused": 0, "wrong": 0}
    for seed in range(900, 1100):
        made = flight(seed, most_lines=4, most_shots=12)
        found = ours(made)
        verdicts["refused" if found is None else "right" if found == made.truth else "wrong"] += 1
    assert verdicts["wrong"] == 0
    assert verdicts["refused"] < 100


def test_a_jump_where_the_log_lacks_a_shot_is_refused() -> None:
    """The photograph of the lost shot may as well be the next one of a line whose first was dropped."""
    photos, _ = photos_of(FLIGHT, dropped=(1,), jump={8: -1000.0}, step_s=0.01)
    shots = log_of(FLIGHT, lost=(7,), source="feedback")
    with pytest.raises(PhotoError, match="in two ways"):
        match_photos(photos, shots, lossy=True)


def test_two_photographs_of_one_shot_are_refused() -> None:
    """In stamps of 1 s nobody can tell which of two within a second the trigger took."""
    photos, _ = photos_of(FLIGHT, extra=(FLIGHT[30] + 0.6,))
    with pytest.raises(PhotoError, match="may be"):
        match_photos(photos, log_of(FLIGHT), lossy=False)


def test_two_photographs_behind_a_jump_are_too_few() -> None:
    """Two test photographs after a flight whose last two shots were dropped would look the same."""
    photos, truth = photos_of(FLIGHT, jump={51: 500.0})
    with pytest.raises(PhotoError, match=r"2 photographs .* too few to be sure"):
        match_photos(photos, log_of(FLIGHT), lossy=False)
    photos, truth = photos_of(FLIGHT, jump={50: 500.0})
    assert said(match_photos(photos, log_of(FLIGHT), lossy=False)) == truth


def test_a_clock_that_jumps_again_and_again_is_no_clock() -> None:
    """More than three jumps in 52 photographs: the log is of another flight, or the names lie."""
    photos, _ = photos_of(FLIGHT, jump={8: 100.0, 16: 200.0, 25: -300.0, 36: 400.0})
    with pytest.raises(PhotoError, match="jump 4 times"):
        match_photos(photos, log_of(FLIGHT), lossy=False)


def test_stamps_that_are_too_coarse_are_named_as_the_cause() -> None:
    """A shot dropped first of shots 1.05 s apart, in stamps of 1 s: refused, and what would help is said."""
    times = lines(12, 14, 12, every_s=1.05)
    photos, _ = photos_of(times, dropped=(1,))
    with pytest.raises(PhotoError, match="may be") as refusal:
        match_photos(photos, log_of(times), lossy=False)
    assert "fractions of a second" in refusal.value.hint
    fine, truth = photos_of(times, dropped=(1,), step_s=0.01)
    assert said(match_photos(fine, log_of(times), lossy=False)) == truth
