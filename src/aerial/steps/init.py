"""Area, cells and zones to a town's folder."""

from collections.abc import Sequence
from pathlib import Path

from aerial.areas import read_area, read_cells, read_zones, refuse_gcj02, write_features
from aerial.errors import WorkspaceError
from aerial.geo import LonLat, metric_crs_at
from aerial.settings import Settings, write_settings
from aerial.workspace import Town


def init_town(folder: Path, area: Path, cells: Path, zones: Sequence[Path] = ()) -> Town:
    """Make ``folder`` a town from files of any format that ``areas`` reads and return it.

    All files are read and judged before anything is written; ``aerial.toml``, which makes the folder
    a town, is written last. The metric CRS of the place is recorded there.

    Raises:
        InputError: a file is not what it should be.
        CrsError: a file declares no CRS, or is in GCJ-02 while the others are not.
        WorkspaceError: the folder is a town already.
    """
    town = Town(root=folder)
    if town.settings_file.exists():
        raise WorkspaceError(
            f"{folder} is a town already.", hint="Name another folder, or edit the files of this one."
        )
    outline = read_area(area)
    listed = read_cells(cells, outline)
    refuse_gcj02([outline], listed, str(area))
    read = [(path, read_zones(path)) for path in zones]
    for path, features in read:
        refuse_gcj02(features, [outline, *listed], str(path))
    folder.mkdir(parents=True, exist_ok=True)
    write_features(town.area_file, [outline])
    write_features(town.cells_file, listed)
    taken: set[str] = set()
    for path, features in read:
        name, number = path.stem, 2
        while name.casefold() in taken:
            name, number = f"{path.stem}-{number}", number + 1
        taken.add(name.casefold())
        write_features(town.zones_folder / f"{name}.geojson", features)
    middle = outline.outline.representative_point()
    crs = metric_crs_at(LonLat(lon_deg=middle.x, lat_deg=middle.y))
    write_settings(town.settings_file, Settings(crs=crs))
    return town
