"""Ground control points as people write them down."""

from pathlib import Path

import pytest
from tests.ortho.test_adjust import photo

from aerial.errors import AerialError, CrsError, InputError
from aerial.ortho.gcp import ControlFile, read_control

PHOTOS = [
    photo(file=name, width_px=4000, height_px=3000)
    for name in ("100MEDIA/DJI_0001.JPG", "101MEDIA/DJI_0001.JPG", "101MEDIA/DJI_0002.JPG", "照片 3.jpg")
]


def read(tmp_path: Path, text: str, encoding: str = "utf-8") -> ControlFile:
    """Return what a file with ``text`` says."""
    path = tmp_path / "gcp_list.txt"
    path.write_bytes(text.encode(encoding))
    return read_control(path, PHOTOS)


def test_points_are_put_together_from_their_marks(tmp_path: Path) -> None:
    """Marks with a name, a folder, a space in the file name, remarks and empty lines become two points."""
    told = read(
        tmp_path,
        "EPSG:4547\n# mine\n\n474000 2542000 10.5 100 200 101MEDIA/DJI_0001.JPG P1 painted\n"
        "474000.001 2542000 10.5 300.5 400 dji_0002.jpg P1\n474050 2542000 11 5 6 照片 3.jpg P2\r\n",
    )
    assert told.crs == "EPSG:4547"
    assert [(p.name, [m.number for m in p.marks]) for p in told.points] == [("P1", [2, 3]), ("P2", [4])]
    assert told.points[0].marks[1].pixel_2.tolist() == [300.5, 400]
    assert told.points[1].xyz_3.tolist() == [474050, 2542000, 11]


@pytest.mark.parametrize(
    "line",
    [
        "474000,25 2542000,5 10,5 100 200 DJI_0002.JPG",
        "474000.25,2542000.5,10.5,100,200,DJI_0002.JPG",
        "474000.25;2542000.5;10.5;100;200;DJI_0002.JPG;P",
        "474000.25\t2542000.5\t10.5\t100\t200\tDJI_0002.JPG",
        "474000.25 2542000.5 10.5 100 200 C:\\photos\\DJI_0002.JPG",
    ],
)
def test_decimal_commas_and_other_separators_are_understood(tmp_path: Path, line: str) -> None:
    """The same mark, however a spreadsheet exported it."""
    (point,) = read(tmp_path, f"EPSG:4547\n{line}\n").points
    assert point.xyz_3.tolist() == [474000.25, 2542000.5, 10.5]
    assert [(m.number, m.pixel_2.tolist()) for m in point.marks] == [(3, [100, 200])]


def test_points_without_a_name_are_told_apart_by_their_place(tmp_path: Path) -> None:
    """Two marks at one coordinate are one point, a third elsewhere is another; degrees included."""
    told = read(
        tmp_path,
        "EPSG:4326\n113.5 22.9 1 5 5 DJI_0002.JPG\n113.5 22.9 1 6 6 照片 3.jpg\n"
        "113.5001 22.9 1 7 7 照片 3.jpg\n",
    )
    assert [len(p.marks) for p in told.points] == [2, 1]


def test_photographs_that_are_not_here_are_named(tmp_path: Path) -> None:
    """A mark on another flight's photograph is left out and told, not refused."""
    told = read(tmp_path, "EPSG:4547\n1 1 1 1 1 gone.jpg P\n474000 2542000 1 1 1 DJI_0002.JPG P2\n")
    assert (told.unknown, [p.name for p in told.points]) == (("gone.jpg",), ["P2"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("474000 2542000 1 1 1 DJI_0002.JPG\n", "names no CRS"),
        ("+proj=tmerc +lon_0=114 +ellps=GRS80\n474000 2542000 1 1 1 DJI_0002.JPG\n", "names no CRS"),
        ("EPSG:4547\n", "marks no point"),
        ("EPSG:4547\n474000 2542000 1 1 1 gone.jpg\n", "it names gone.jpg first"),
        ("EPSG:4547\n474000 2542000 1 1 DJI_0002.JPG\n", "line 2: not x y z column row photograph"),
        ("EPSG:4547\n474000 north 1 1 1 DJI_0002.JPG\n", "'north' is not a number"),
        ("EPSG:4547\n474000 nan 1 1 1 DJI_0002.JPG\n", "not a finite number"),
        ("EPSG:4326\n22.9 113.5 1 1 1 DJI_0002.JPG\n", "no place in EPSG:4326 .x comes first."),
        ("EPSG:4547\n474000 2542000 1 4001 1 DJI_0002.JPG\n", "outside of DJI_0002.JPG .4000 x 3000."),
        ("EPSG:4547\n474000 2542000 1 1 1 DJI_0001.JPG\n", "2 photographs are named DJI_0001.JPG"),
        (
            "EPSG:4547\n474000 2542000 1 1 1 DJI_0002.JPG P\n474009 2542000 1 1 1 照片 3.jpg P\n",
            "line 3: point P has another position",
        ),
        ("EPSG:4547\n" + 2 * "474000 2542000 1 1 1 DJI_0002.JPG P\n", "marked twice"),
        ("EPSG:4547\n" + 9 * "x\n", "and 6 more"),
    ],
)
def test_what_cannot_be_meant_is_named(tmp_path: Path, text: str, message: str) -> None:
    """Every wrong file is refused with its line and a hint."""
    with pytest.raises(AerialError, match=message) as error:
        read(tmp_path, text)
    assert error.value.hint
    assert isinstance(error.value, CrsError | InputError)
