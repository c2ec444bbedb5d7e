"""What two flights agree on."""

from dataclasses import replace

from shapely.affinity import translate
from tests.report.test_geojson import SQUARE, suspect

from aerial.suspects.persist import persisted


def test_what_was_seen_before_is_kept_and_the_rest_waits() -> None:
    """A suspect at its old place, half shifted, is kept; one that is new waits for the next flight."""
    here = replace(suspect(SQUARE), key="a", kind="new")
    width = SQUARE.bounds[2] - SQUARE.bounds[0]
    elsewhere = replace(here, key="b", outline=translate(SQUARE, 3 * width, 0))
    before = replace(here, key="c", outline=translate(SQUARE, 0.5 * width, 0))
    kept, waiting = persisted([here, elsewhere], [before])
    assert ([s.key for s in kept], [s.key for s in waiting]) == (["a"], ["b"])
    assert persisted([here], []) == ((), (here,))


def test_coming_and_going_at_one_place_do_not_confirm_each_other() -> None:
    """New is not confirmed by demolished; extended and unknown confirm it."""
    here = replace(suspect(SQUARE), kind="new")
    assert persisted([here], [replace(here, kind="demolished")])[0] == ()
    for kind in ("extended", "unknown"):
        assert persisted([here], [replace(here, kind=kind)])[0] == (here,)


def test_a_touch_is_not_the_same_place() -> None:
    """A tenth of the outline in common is a neighbour."""
    here = suspect(SQUARE)
    width = SQUARE.bounds[2] - SQUARE.bounds[0]
    assert persisted([here], [replace(here, outline=translate(SQUARE, 0.9 * width, 0))])[0] == ()
