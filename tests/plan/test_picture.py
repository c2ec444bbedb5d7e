"""The map picture of a plan."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shapely.geometry import box
from tests.plan.samples import failed, sample_plan

from aerial.plan import picture_panel
from aerial.plan.picture import draw_plan
from aerial.records import Finding, Plan, Wind, Zone


def colours(path: Path, colour: tuple[int, int, int]) -> int:
    """Return how many pixels have nearly this colour."""
    with Image.open(path) as image:
        image_HWC = np.asarray(image.convert("RGB")).astype(int)
    return int((np.abs(image_HWC - np.array(colour)).max(axis=2) < 12).sum())


@pytest.mark.parametrize(
    "plan",
    [
        sample_plan(turned_deg=25, wind=Wind(speed_m_s=5, from_deg=45)),
        sample_plan(lines=12, hole=True, sorties=3),
        sample_plan(lines=3, length_m=3000, turned_deg=80),
        sample_plan(lines=1, sorties=1, length_m=20),
        sample_plan(lines=20, sorties=20, cell=None),
    ],
    ids=["turned", "holed", "thin", "one-line", "many-sorties"],
)
def test_any_plan_can_be_drawn(tmp_path: Path, plan: Plan) -> None:
    """A picture of the size of a screen, the first sortie's lines in it, without a warning."""
    draw_plan(plan, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (1540, 990)
    assert colours(tmp_path / "a.png", (0x0B, 0x6F, 0xB8)) > 300


def test_what_failed_is_red_and_zones_have_their_colours(tmp_path: Path) -> None:
    """A failed check is written in red; a no-fly zone and an obstacle are drawn."""
    red = (0xB0, 0x00, 0x20)
    draw_plan(sample_plan(), tmp_path / "good.png")
    draw_plan(failed(sample_plan(no_fly=True)), tmp_path / "bad.png")
    assert colours(tmp_path / "good.png", red) == 0
    assert colours(tmp_path / "bad.png", red) > 100
    assert colours(tmp_path / "good.png", (0xD0, 0, 0)) == 0
    assert colours(tmp_path / "bad.png", (0xD0, 0, 0)) > 100
    zone = Zone(kind="obstacle", outline=box(113.8002, 22.8005, 113.8006, 22.801))
    draw_plan(sample_plan(), tmp_path / "zone.png", zones=[zone])
    brown = (0x5A, 0x3D, 0x2B)
    assert colours(tmp_path / "zone.png", brown) > colours(tmp_path / "good.png", brown) + 100


def test_the_same_plan_is_the_same_picture(tmp_path: Path) -> None:
    """Nothing of the clock is in the file."""
    for name in ("a.png", "b.png"):
        draw_plan(sample_plan(), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_chinese_without_a_font_falls_back_to_what_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no font has the characters, the id or the code stands there, never empty boxes."""
    monkeypatch.setattr(picture_panel, "fonts", lambda: ["DejaVu Sans"])
    assert picture_panel.readable("石排村", "A1") == "A1"
    assert picture_panel.readable("Dongguan 22°", "A1") == "Dongguan 22°"
    finding = Finding(level="warn", code="zones-unchecked", message="未检查的区域")
    # A missing glyph is a warning of matplotlib, and warnings fail the tests.
    draw_plan(sample_plan(cell="石排", findings=(finding,)), tmp_path / "a.png", title="石排村")


def test_a_dollar_sign_is_no_formula(tmp_path: Path) -> None:
    """Messages may hold any sign."""
    finding = Finding(level="warn", code="x", message="costs $x_{ and $ more")
    draw_plan(sample_plan(findings=(finding,)), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000
