"""Energy of a path, and sorties that stay within it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aerial.errors import PlanError
from aerial.plan import energy
from aerial.plan.profiles import read_aircraft
from aerial.plan.sorties import OVERLAP_PHOTOS, Craft, Flown, FlownLeg, Stretch, split
from aerial.records import Wind

AIRCRAFT = read_aircraft("dji_mavic3_enterprise")
HEIGHT_M = 90.0


def craft(wind: Wind | None = None, reserve: float = 0.2) -> Craft:
    """Return a craft at 9 m/s everywhere."""
    return Craft(aircraft=AIRCRAFT, speed_m_s=9.0, transit_m_s=9.0, wind=wind, reserve=reserve)


def stretches(count: int, length_m: float, spacing_m: float = 40.0, trigger_m: float = 20.0) -> list[Stretch]:
    """Return a zigzag of lines east and west, each 40 m north of the last."""
    made = []
    for k in range(count):
        y, there = k * spacing_m, k % 2 == 0
        x = (0.0, length_m) if there else (length_m, 0.0)
        line = np.array([[x[0], y, HEIGHT_M], [x[1], y, HEIGHT_M]])
        way = np.array([[x[1], y, HEIGHT_M], [x[1], y + spacing_m, HEIGHT_M]]) if k < count - 1 else None
        made.append(Stretch(number=k + 1, xyz_M3=line, trigger_m=trigger_m, way_M3=way))
    return made


def home(point_3: np.ndarray) -> np.ndarray:
    """Return the straight way home to (0, -100)."""
    return np.array([point_3, [0.0, -100.0, HEIGHT_M]])


def flown_on(found: list[Flown], number: int) -> list[tuple[float, float]]:
    """Return where each sortie begins and ends on a line, metres from the line's start."""
    lengths = []
    for one in found:
        for leg in one.legs:
            if leg.line == number:
                x = leg.xyz_M3[:, 0]
                lengths.append((float(x[0]), float(x[-1])))
    return lengths


def test_level_flight_at_cruise_speed_lasts_as_long_as_the_maker_says() -> None:
    """Cruising for cruise_s in calm takes the whole battery, the stop at the end apart."""
    far = AIRCRAFT.cruise_s * AIRCRAFT.cruise_m_s
    cost = energy.fly(AIRCRAFT, np.array([[0, 0, 50.0], [far, 0, 50.0]]), AIRCRAFT.cruise_m_s, None)
    assert cost.energy_wh == pytest.approx(AIRCRAFT.battery_wh, rel=0.01)
    assert cost.length_m == pytest.approx(far)


def test_climbing_costs_its_potential_energy_at_half_efficiency_on_top() -> None:
    """A climb of 100 m costs m g h / 0.5 more than hovering as long."""
    up = energy.vertical(AIRCRAFT, 100.0, None)
    hover_w = AIRCRAFT.battery_wh * 3600 / AIRCRAFT.hover_s
    rising_wh = AIRCRAFT.takeoff_mass_kg * 9.80665 * 100 / 0.5 / 3600
    assert up.duration_s == pytest.approx(100 / AIRCRAFT.climb_m_s, abs=0.01)
    assert up.energy_wh == pytest.approx(hover_w * up.duration_s / 3600 + rising_wh, rel=0.01)


def test_the_highest_speed_costs_the_drag_that_a_tilt_of_30_degrees_holds() -> None:
    """At the highest speed in calm the power is cruise power and that of the further drag, at half."""
    top, cruise = AIRCRAFT.max_speed_m_s, AIRCRAFT.cruise_m_s
    cruise_w, top_w = energy.power_w(AIRCRAFT, np.array([cruise, top]))
    drag_n = AIRCRAFT.takeoff_mass_kg * 9.80665 * np.tan(np.radians(30))
    assert cruise_w == pytest.approx(AIRCRAFT.battery_wh * 3600 / AIRCRAFT.cruise_s)
    assert top_w - cruise_w == pytest.approx((drag_n * top - drag_n * (cruise / top) ** 2 * cruise) / 0.5)


def test_a_steep_path_is_flown_as_slowly_as_it_climbs() -> None:
    """100 m up over 10 m of ground takes the time of the climb, not of the way."""
    steep = energy.fly(AIRCRAFT, np.array([[0, 0, 0.0], [10, 0, 100.0]]), 9.0, None)
    assert steep.duration_s >= 100 / AIRCRAFT.climb_m_s


def test_wind_costs_more_than_calm_on_the_way_there_and_back() -> None:
    """A headwind costs more than it gives back as a tailwind."""
    there = np.array([[0, 0, 50.0], [0, 3000, 50.0]])
    calm, north = None, Wind(speed_m_s=9.0, from_deg=0.0)
    both = [
        sum(energy.fly(AIRCRAFT, path, 12.0, wind).energy_wh for path in (there, there[::-1]))
        for wind in (calm, north)
    ]
    against = energy.fly(AIRCRAFT, there, 12.0, north).energy_wh
    assert against > energy.fly(AIRCRAFT, there[::-1], 12.0, north).energy_wh
    assert both[1] > both[0]


def test_every_corner_is_a_stop_for_an_aircraft_that_stops() -> None:
    """A way with two right angles takes two stops more than a straight one of its length."""
    straight = energy.fly(AIRCRAFT, np.array([[0, 0, 50.0], [300, 0, 50.0]]), 9.0, None)
    bent = energy.fly(
        AIRCRAFT, np.array([[0, 0, 50.0], [100, 0, 50.0], [100, 100, 50.0], [200, 100, 50.0]]), 9.0, None
    )
    stops = 2 if AIRCRAFT.turn == "stop" else 0
    assert bent.duration_s - straight.duration_s == pytest.approx(stops * 9.0 / AIRCRAFT.acceleration_m_s2)


@pytest.mark.parametrize(("autopilot", "hold_s"), [("dji", 0.0), ("ardupilot", 1.0), ("px4", 1.0)])
def test_a_line_costs_a_stop_and_the_holds_at_its_ends(autopilot: str, hold_s: float) -> None:
    """Where a mission holds at both ends of a line, time and hovering are counted; off the lines not."""
    flyer = replace(AIRCRAFT, autopilot=autopilot, turn="coordinated")  # type: ignore[arg-type]
    flying = replace(craft(), aircraft=flyer)
    path = np.array([[0, 0, HEIGHT_M], [450, 0, HEIGHT_M]])
    line = flying.cost(FlownLeg(kind="survey", xyz_M3=path, line=1, trigger_m=20.0))
    turn = flying.cost(FlownLeg(kind="turn", xyz_M3=path))
    assert turn.duration_s == pytest.approx(450 / 9 + 9 / AIRCRAFT.acceleration_m_s2)
    assert line.duration_s - turn.duration_s == pytest.approx(2 * hold_s)
    hover_w = AIRCRAFT.battery_wh * 3600 / AIRCRAFT.hover_s
    assert line.energy_wh - turn.energy_wh == pytest.approx(2 * hold_s * hover_w / 3600)
    assert energy.turn_m(flyer, 9.0) == pytest.approx(2 * 9.0 * (9.0 / flyer.acceleration_m_s2 + hold_s))


def test_no_sortie_takes_more_than_the_battery_less_the_reserve() -> None:
    """With climb, ways, turns and landing every sortie stays within its budget, and uses most of it."""
    found = split(stretches(60, 800), home, craft())
    assert len(found) > 1
    assert all(one.cost.energy_wh <= craft().budget_wh for one in found)
    assert all(one.cost.energy_wh > 0.85 * craft().budget_wh for one in found[:-1])


def test_sorties_begin_and_end_above_the_take_off_point_and_their_legs_join() -> None:
    """Each starts and ends at (0, -100), and every leg begins where the last ended."""
    for one in split(stretches(60, 800), home, craft()):
        assert one.legs[0].xyz_M3[0].tolist() == [0.0, -100.0, HEIGHT_M]
        assert one.legs[-1].xyz_M3[-1].tolist() == [0.0, -100.0, HEIGHT_M]
        for before, after in pairwise(one.legs):
            assert np.allclose(before.xyz_M3[-1], after.xyz_M3[0])


def test_every_line_is_flown_whole_and_resumed_four_photographs_back() -> None:
    """What a sortie leaves of a line the next one flies, from the fourth last photograph, on its place."""
    lines = stretches(60, 800)
    found = split(lines, home, craft())
    resumed = 0
    for line in lines:
        parts = flown_on(found, line.number)
        low = min(min(part) for part in parts)
        high = max(max(part) for part in parts)
        assert (low, high) == (0.0, 800.0)
        origin = line.xyz_M3[0, 0]
        for (_, end), (start, _) in pairwise(parts):
            resumed += 1
            taken = abs(end - origin) // 20.0
            assert abs(start - origin) == max(taken - OVERLAP_PHOTOS + 1, 0) * 20.0
    assert resumed == len(found) - 1


def test_wind_parts_sorties_but_moves_no_photograph() -> None:
    """In wind there are more sorties; places of photographs stay multiples of the trigger distance."""
    calm = split(stretches(60, 800), home, craft())
    windy = split(stretches(60, 800), home, craft(Wind(speed_m_s=5.0, from_deg=270.0)))
    assert len(windy) > len(calm)
    for one in windy:
        for leg in one.legs:
            if leg.line is not None:
                origin = 0.0 if leg.line % 2 else 800.0
                assert abs(leg.xyz_M3[0, 0] - origin) % 20.0 == pytest.approx(0.0, abs=1e-9)


@given(
    st.lists(st.floats(120, 2500), min_size=1, max_size=25),
    st.floats(4, 30),
    st.floats(0.3, 1.5),
    st.none() | st.builds(Wind, speed_m_s=st.floats(0, 6), from_deg=st.floats(0, 360)),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_lines_of_any_length_are_flown_whole_within_every_battery(
    lengths: list[float], trigger_m: float, battery: float, wind: Wind | None
) -> None:
    """Whatever lengths, trigger distance, battery and wind: nothing is left between sorties, none is over."""
    flyer = replace(craft(wind), aircraft=replace(AIRCRAFT, battery_wh=AIRCRAFT.battery_wh * battery,
        hover_s=AIRCRAFT.hover_s * battery, cruise_s=AIRCRAFT.cruise_s * battery))  # fmt: skip
    lines = [
        Stretch(number=k + 1, xyz_M3=np.array([[0, 40 * k, HEIGHT_M], [length, 40 * k, HEIGHT_M]]),
            trigger_m=trigger_m, way_M3=np.array([[length, 40 * k, HEIGHT_M], [0, 40 * k + 40, HEIGHT_M]]))
        for k, length in enumerate(lengths)
    ]  # fmt: skip
    found = split(lines, home, flyer)
    assert all(one.cost.energy_wh <= flyer.budget_wh + 1e-9 for one in found)
    for line, length in zip(lines, lengths, strict=True):
        parts = flown_on(found, line.number)
        assert parts[0][0] == 0
        assert parts[-1][1] == pytest.approx(length)
        for (_, end), (start, _) in pairwise(parts):
            places = (end - start) / trigger_m
            assert start % trigger_m == pytest.approx(0, abs=1e-6) or start % trigger_m > trigger_m - 1e-6
            assert places >= min(OVERLAP_PHOTOS - 1, end / trigger_m) - 1e-6


def test_an_endless_battery_takes_one_sortie() -> None:
    """With a thousand batteries in one, 60 lines are one sortie."""
    endless = replace(AIRCRAFT, battery_wh=AIRCRAFT.battery_wh * 1000, hover_s=1e6, cruise_s=1e6)
    assert len(split(stretches(60, 800), home, replace(craft(), aircraft=endless))) == 1


def test_what_one_battery_holds_is_one_sortie() -> None:
    """Few lines are one sortie, without reserve as with it."""
    assert len(split(stretches(5, 300), home, craft())) == 1


def test_a_line_out_of_reach_of_a_battery_is_refused() -> None:
    """A line 20 km away is named, with a hint to move the take-off point."""
    far = [
        Stretch(number=7, xyz_M3=line.xyz_M3 + np.array([20000, 0, 0]), trigger_m=20.0, way_M3=None)
        for line in stretches(1, 300)
    ]
    with pytest.raises(PlanError, match="line 7") as error:
        split(far, home, craft())
    assert "take-off point" in error.value.hint
