"""Zones explain or rank, and never remove."""

from shapely.geometry import Polygon
from tests.suspects.town import seen, zone

from aerial.records import Sighting, Zone
from aerial.suspects.track import track


def with_zones(*zones: Zone, kind: str = "new") -> Sighting:
    """The sighting of the house among zones."""
    return track([seen("k", 0, 14, kind=kind)], [], zones)[0]  # type: ignore[arg-type]


def test_an_approved_construction_ranks_low_and_is_shown() -> None:
    """Wholly inside a permit: shown, low, with the permit named; reaching beyond it: not lowered."""
    inside = with_zones(zone("permit", -5, -5, 15, 15, "2026-17"))
    assert inside.shown
    assert inside.rank < 0.25 * with_zones().rank
    assert "inside the approved construction 2026-17" in inside.reason
    beyond = with_zones(zone("permit", -5, -5, 6, 15, "2026-17"))
    assert beyond.rank == with_zones().rank
    assert "reaches beyond the approved construction 2026-17" in beyond.reason


def test_a_known_building_explains_what_it_covers_but_no_addition() -> None:
    """The register explains a building, not a room on its roof."""
    known = zone("known_building", -1, -1, 11, 11, "B7")
    assert with_zones(known).rank < with_zones().rank
    assert with_zones(known, kind="rooftop").rank == with_zones(kind="rooftop").rank
    assert "known building B7" in with_zones(known, kind="rooftop").reason


def test_farmland_and_sensitive_zones_rank_high() -> None:
    """Both raise the rank, together more than alone, never above 1."""
    farm, shy = zone("farmland", -50, -50, 50, 50), zone("sensitive", -50, -50, 50, 50, "ridge")
    assert with_zones().rank < with_zones(farm).rank < with_zones(farm, shy).rank <= 1
    assert with_zones(farm, shy).zones == ("farmland", "sensitive:ridge")


def test_several_zones_are_all_named_in_one_sentence() -> None:
    """A permit on farmland: both reasons, one sentence, the permit's low rank."""
    both = with_zones(zone("permit", -5, -5, 15, 15, "P1"), zone("farmland", -50, -50, 50, 50))
    assert both.reason.endswith("; it lies inside the approved construction P1; it lies on farmland.")
    assert both.zones == ("permit:P1", "farmland")
    assert both.rank < 0.25


def test_zones_of_flight_and_touching_zones_are_silent() -> None:
    """A no-fly zone explains no building, and a permit that only touches it within the error neither."""
    silent = with_zones(zone("no_fly", -50, -50, 50, 50), zone("permit", 10, 0, 20, 10, "P"))
    assert (silent.zones, silent.rank) == ((), with_zones().rank)


def test_a_broken_zone_is_taken_as_what_it_encloses() -> None:
    """A bow-tie drawn by hand still explains what lies in it."""
    a, b, c, d, _ = zone("farmland", -90, -40, 40, 40).outline.exterior.coords  # type: ignore[union-attr]
    bow = Zone(kind="farmland", outline=Polygon([a, b, d, c]))
    assert with_zones(bow).zones == ("farmland",)


def test_what_is_hidden_keeps_its_reason() -> None:
    """Nothing is dropped: every observation has a sighting with a reason."""
    new = [seen("a", 0, 14), seen("b", -90, 14)]
    sightings = track(new, [], (zone("farmland", -50, -50, 50, 50),))
    assert [s.shown for s in sightings] == [True, False]
    assert all(s.reason.endswith("it lies on farmland.") for s in sightings)
