"""A cycle's report for people: HTML and PDF."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pypdf
import pypdfium2
import pytest
from PIL import Image
from tests.report.cycle import FOUND, LAT, LON, entry, picture, receipt, report, told

from aerial.geo import from_gcj02
from aerial.report import summary
from aerial.report.pictures import write_small_overview
from aerial.report.text import FONT, REPLACEMENT, Typesetter, shown
from aerial.report.view import navigation_link
from aerial.report.words import Words
from aerial.report.write import write_reports


def pdf_text(path: Path) -> str:
    """The text of all pages."""
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(path).pages)


def html_text(folder: Path) -> str:
    """The text of the pages of cases."""
    return "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("cases-*.html")))


def test_both_pages_say_all_that_an_officer_needs(tmp_path: Path) -> None:
    """Chinese text with rare characters comes out of the PDF as it went in, and stands in the page."""
    key = "000000000001-1"
    results = (told(key, "confirmed", FOUND), told(key, "demolished", FOUND + timedelta(days=1)))
    one = entry(tmp_path, receipts=(receipt(key),), results=results, address="犇塱滘氹路 8 号")
    write_reports(report([one], tmp_path), tmp_path / "out", ["html", "pdf"])
    for text in (pdf_text(tmp_path / "out" / "report.pdf"), html_text(tmp_path / "out" / "html")):
        for said in (
            "疑似新增违建", key, "疑似新增建筑", "㙍头社区", "041900121000007", "C001", "犇塱滘氹",
            "东经 113.75000000°, 北纬 22.80000000°", "EPSG:4547", "E 474331.70 m, N 2522410.76 m",
            "0.42 m，A 级（≤0.5 m）", "113.7 m²", "+3.2 m", "2026-11-09", "2026-11-23 16:12 (UTC+8)",
            "2026-12-07 18:00 (UTC+8)", "9f" * 32, "c4" * 32, "已拆，王垚", "redmine 1001",
            "看不到建筑立面", "核实人", "核实结果", "无法进入", "高德地图导航",
        ):  # fmt: skip
            assert said in text, said
    assert "5e" * 32 in pdf_text(tmp_path / "out" / "report.pdf")


def test_nothing_calls_a_case_illegal_and_nothing_unknown_is_invented(tmp_path: Path) -> None:
    """Every 违建 stands behind 疑似, and what is not known is said to be unknown."""
    bare = entry(
        tmp_path, community=None, unit_grid=None, error_m=None, height_change_m=None, deadline=None,
        address=None, matter=None, authority=None, secrecy=None, before=None,
    )  # fmt: skip
    write_reports(report([bare], tmp_path), tmp_path / "out", ["html", "pdf"])
    for text in (pdf_text(tmp_path / "out" / "report.pdf"), html_text(tmp_path / "out" / "html")):
        assert not re.search("(?<!疑似)(?<!疑似新增)违建", text)
        assert text.count("未知") >= 6
        assert "未设定" in text
        assert "无图片" in text


def test_hostile_names_are_shown_as_names(tmp_path: Path) -> None:
    """Markup, direction overrides, line breaks and 10 000 characters change nothing around them."""
    name = "<script>alert(1)</script>\u202egnp.exe\nX" + "长" * 10_000
    one = entry(tmp_path, community=name, address=name, cell=name, held=(name,), zones=(f"permit:{name}",))
    write_reports(report([one], tmp_path, title=name, town=name), tmp_path / "out")
    index = (tmp_path / "out" / "html" / "index.html").read_text(encoding="utf-8")
    for text in (index, html_text(tmp_path / "out" / "html")):
        assert "<script" not in text
        assert "&lt;script&gt;" in text
        assert "\u202e" not in text
        assert "长" * 201 not in text
    assert "\u202e" not in pdf_text(tmp_path / "out" / "report.pdf")
    assert shown("a\u202eb\nc") == f"a{REPLACEMENT}b c"


def test_a_page_asks_the_network_for_nothing(tmp_path: Path) -> None:
    """The only addresses are navigation links, which wait for a click; every other reference lies beside."""
    write_reports(report([entry(tmp_path)], tmp_path), tmp_path / "out", ["html"])
    folder = tmp_path / "out" / "html"
    for page in [*folder.glob("*.html"), folder / "cycle.css"]:
        text = page.read_text(encoding="utf-8")
        outside = set(re.findall(r"https?://[^/\"' ]+", text)) - {"http://www.w3.org"}
        assert outside <= {"https://uri.amap.com"}
        for kept in re.findall(r'(?:src|href)="([^"#:]+)["#]', text):
            assert (folder / kept).is_file(), kept
        assert page.suffix == ".css" or "default-src 'none'" in text
    assert (folder / FONT.name).is_file()


def test_the_navigation_link_alone_is_gcj_02(tmp_path: Path) -> None:
    """Its position is 500 to 700 m off and comes back to the case's place by the inverse."""
    case = entry(tmp_path).case
    link = navigation_link(case.at, case.external_key)
    lon, lat = map(float, re.search(r"to=([\d.]+),([\d.]+),", link).groups())  # type: ignore[union-attr]
    assert abs(lon - LON) > 3e-3
    back_lon, back_lat = from_gcj02(np.array([lon]), np.array([lat]))
    assert (back_lon[0], back_lat[0]) == pytest.approx((LON, LAT), abs=2e-6)


def test_a_picture_that_is_not_the_recorded_one_is_not_shown(tmp_path: Path) -> None:
    """A swapped file is named, not shown, in both."""
    one = replace(entry(tmp_path), after=picture(tmp_path / "other.jpg", (1, 2, 3)))
    write_reports(report([one], tmp_path), tmp_path / "out", ["html", "pdf"])
    for text in (pdf_text(tmp_path / "out" / "report.pdf"), html_text(tmp_path / "out" / "html")):
        assert "图片与登记的哈希不符，未显示" in text
    assert not list((tmp_path / "out" / "html" / "pictures").glob("*after*"))


def test_what_is_sensitive_is_white_in_the_overview(tmp_path: Path) -> None:
    """The pixels of a sensitive zone are gone, those beside it are not."""
    made = report([], tmp_path)
    assert write_small_overview(made.cells["C001"], made.zones, tmp_path / "small.jpg")
    pixels = np.asarray(Image.open(tmp_path / "small.jpg").convert("L"))
    assert pixels.max() > 250
    assert 0.003 < (pixels > 240).mean() < 0.02


def test_what_the_font_lacks_is_shown_and_counted(tmp_path: Path) -> None:
    """A character without a glyph leaves a mark in its place, a note on the first page, and a count."""
    written = write_reports(report([entry(tmp_path, address="𠮷路")], tmp_path), tmp_path / "out", ["pdf"])
    text = pdf_text(tmp_path / "out" / "report.pdf")
    assert f"{REPLACEMENT}路" in text
    assert "U+20BB7" in text
    assert written.missing_characters == 1
    assert Typesetter()("犇㙍塱☐") == f"犇㙍塱{REPLACEMENT}"


def test_an_error_is_rounded_up_and_classed_as_it_is_shown() -> None:
    """A position never looks better than it is."""
    words = Words("zh")
    shown_as = [words.accuracy(error) for error in (0.5, 0.501, 1.0, 10.0, 10.001, None)]
    assert [text[:6] for text in shown_as[:2]] == ["0.50 m", "0.51 m"]
    assert ("A 级" in shown_as[0], "B 级" in shown_as[1], "B 级" in shown_as[2]) == (True, True, True)
    assert ("C 级（≤10" in shown_as[3], "低于 C 级" in shown_as[4], shown_as[5]) == (True, True, "未知")


def test_more_cases_than_one_file_holds_are_volumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every case has its page in one volume, and a smaller report afterwards leaves none behind."""
    for module in ("summary", "pdf", "html"):
        monkeypatch.setattr(f"aerial.report.{module}.PART", 2)
    assert summary.PART == 2
    entries = [entry(tmp_path, number) for number in range(1, 6)]
    write_reports(report(entries, tmp_path), tmp_path / "out", ["html", "pdf"])
    volumes = sorted((tmp_path / "out" / "pdf").iterdir())
    assert [len(pypdf.PdfReader(volume).pages) for volume in volumes] == [2, 2, 1]
    assert "000000000005-1" in pdf_text(volumes[2])
    assert "000000000005-1" in pdf_text(tmp_path / "out" / "report.pdf")
    assert len(list((tmp_path / "out" / "html").glob("cases-*.html"))) == 3
    write_reports(report(entries[:1], tmp_path), tmp_path / "out", ["html", "pdf"])
    assert not (tmp_path / "out" / "pdf").exists()
    assert len(list((tmp_path / "out" / "html").glob("cases-*.html"))) == 1


def test_a_failure_leaves_the_report_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What breaks on the way leaves the old files whole and no parts."""
    made = report([entry(tmp_path)], tmp_path)
    write_reports(made, tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}

    def broken(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("aerial.report.html.case_pictures", broken)
    monkeypatch.setattr("aerial.report.pdf.case_pictures", broken)
    for name in ("html", "pdf"):
        with pytest.raises(OSError, match="no space"):
            write_reports(made, tmp_path / "out", [name])  # type: ignore[list-item]
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


def test_the_qr_code_on_paper_is_read_as_the_case_number(tmp_path: Path) -> None:
    """Another's reader takes the number from the rendered page; the code of the page on screen scales."""
    one = entry(tmp_path)
    write_reports(report([one], tmp_path), tmp_path / "out", ["html", "pdf"])
    with pypdfium2.PdfDocument(tmp_path / "out" / "report.pdf") as document:
        page = document[1]
        sheet = page.render(scale=3).to_numpy()
        page.close()
    corner = np.ascontiguousarray(sheet[: sheet.shape[0] // 6, sheet.shape[1] // 2 :, :3])
    text, _, _ = cv2.QRCodeDetector().detectAndDecode(corner)
    assert text == one.case.external_key
    assert re.search(r'class="qr"><svg [^>]*viewBox="0 0', html_text(tmp_path / "out" / "html"))
