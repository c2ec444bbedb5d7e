"""The page with map and thumbnails."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from shapely.geometry import box
from tests.photos.made import scene, write_flight, write_photo
from tests.photos.test_tails import photo

from aerial.photos import check_photos
from aerial.photos.content import thumbnail_side_px
from aerial.photos.page import Marked, write_page
from aerial.progress import SILENT
from aerial.records import Finding, PhotoCheck

HOSTILE = "<img src=x onerror=alert(1)>\"'&.JPG"


class Tags(HTMLParser):
    """What a browser would find: elements, the names of attributes, and what is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.left_open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that opens."""
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("meta", "br"):
            self.left_open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element without content."""
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        """Close the last element, if it is this one."""
        if self.left_open[-1:] == [tag]:
            self.left_open.pop()


def good(name: str, x: float, y: float) -> PhotoCheck:
    """Return a usable photograph at a place in metres."""
    return PhotoCheck(file=name, ok=True, reasons=(), photo=photo(name, (x, y), 0.0))


def test_the_page_holds_everything_and_asks_for_nothing(tmp_path: Path) -> None:
    """Each thumbnail once; no address but the picture data, no script; bad ones red with their reason."""
    write_flight(tmp_path / "a", 6)
    write_photo(tmp_path / "a" / "长安.JPG", image_HW3=scene(40), at=None, seconds=99)
    pictures: dict[str, bytes] = {}
    checks = check_photos(tmp_path / "a", SILENT, keep=pictures.__setitem__)
    assert len(pictures) == 7
    assert all(one.startswith(b"\xff\xd8") for one in pictures.values())
    page = tmp_path / "map.html"
    write_page(page, "长安", checks, pictures, [])
    text = page.read_text("utf-8")
    assert text.count("data:image/jpeg;base64,") == 7
    assert not re.search(r"<script|<link|https?:|url\(|@import|//[a-z]", re.sub(r"base64,[^\"]*", "", text))
    assert "default-src 'none'" in text
    assert text.count('class="tile"') == 6
    (bad,) = re.findall(r'<article id="p7" class="bad">(.*?)</article>', text, re.S)
    assert "长安.JPG" in bad
    assert '<p class="why">no GPS position</p>' in bad
    # The same photographs, the same page.
    write_page(tmp_path / "again.html", "长安", checks, pictures, [])
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()


@pytest.mark.parametrize("name", [HOSTILE, "a\u202egnp.exe.JPG", "bad\udcff.JPG", "{{ 7*7 }}.JPG", "]]>.JPG"])
def test_hostile_names_are_text(tmp_path: Path, name: str) -> None:
    """In the card, on the map, in findings and in the title: never markup, never an error."""
    page = tmp_path / "map.html"
    check = PhotoCheck(
        file=name, ok=False, reasons=(f"the same file as {name}",), photo=photo(name, (0, 0), 0)
    )
    finding = Finding(level="warn", code="x", message=name)
    write_page(page, name, [check, good("b.jpg", 30, 0)], {}, [finding])
    text = page.read_bytes().decode("utf-8")
    assert "<img src=x" not in text
    assert "49.JPG" not in text
    tags = Tags()
    tags.feed(text)
    assert not {"img", "script", "iframe"} & tags.seen
    assert not [name for name in tags.attributes if name.startswith("on")]
    assert tags.left_open == []


def test_the_page_stays_small_and_bad_photographs_keep_their_thumbnails(tmp_path: Path) -> None:
    """Of 1800 large thumbnails some are left out, which is said; not those that somebody must look at."""
    checks = [good(f"{n:04d}.jpg", 20.0 * (n % 60), 20.0 * (n // 60)) for n in range(1800)]
    last = checks[-1]
    checks[-1] = PhotoCheck(file=last.file, ok=False, reasons=("blurred",), photo=last.photo)
    page = tmp_path / "map.html"
    write_page(page, "many", checks, {check.file: b"\xff\xd8" + bytes(8000) for check in checks}, [])
    assert page.stat().st_size < 16_000_000
    text = page.read_text("utf-8")
    assert "thumbnails were left out" in text
    assert '<symbol id="t1800"' in text
    assert thumbnail_side_px(10) == 240 > thumbnail_side_px(1500) >= 96


def test_a_far_position_does_not_squash_the_map_and_no_position_makes_none(tmp_path: Path) -> None:
    """What lies 40 km off is a card only; photographs without any position are cards without a map."""
    checks = [good(f"{n}.jpg", 20.0 * n, 5.0 * (n % 2)) for n in range(6)]
    page = tmp_path / "map.html"
    write_page(page, "far", [*checks, good("far.jpg", 40_000, 0)], {}, [])
    text = page.read_text("utf-8")
    assert text.count('class="tile"') == 6
    assert text.count("not on the map") == 1
    bare = [PhotoCheck(file="x.jpg", ok=False, reasons=("broken",), photo=None)]
    write_page(page, "none", bare, {}, [])
    assert "there is no map" in page.read_text("utf-8")


def test_gaps_are_drawn_where_they_are(tmp_path: Path) -> None:
    """A marked square between two photographs lies between their thumbnails on the map."""
    left, right = good("l.jpg", 0, 0), good("r.jpg", 100, 0)
    assert left.photo and left.photo.at and right.photo and right.photo.at
    middle = (left.photo.at.lon_deg + right.photo.at.lon_deg) / 2
    square = box(middle - 1e-5, left.photo.at.lat_deg - 1e-5, middle + 1e-5, left.photo.at.lat_deg + 1e-5)
    page = tmp_path / "map.html"
    write_page(page, "gap", [left, right], {}, [], gaps=[Marked(outline=square, text="12 m²")])
    text = page.read_text("utf-8")
    (points,) = re.findall(r'class="gap" points="([^"]*)"><title>12 m²', text)
    xs = [float(pair.split(",")[0]) for pair in points.split()]
    rects = re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', text)
    tiles = sorted(float(x) + float(wide) / 2 for x, wide in rects)
    assert tiles[0] < min(xs) < max(xs) < tiles[1]
    assert (min(xs) + max(xs)) / 2 == pytest.approx(sum(tiles) / 2, abs=0.3)
