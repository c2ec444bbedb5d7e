"""Where the data that ships with aerial lies: camera files, aircraft files, models and code tables.

A wheel holds them as ``aerial/_data``; an editable install reads them from the checkout.
"""

from pathlib import Path

from aerial.errors import InputError

_PACKAGED = Path(__file__).parent / "_data"
_CHECKOUT = Path(__file__).parents[2]


def data_folder() -> Path:
    """Return the folder that holds ``flightplans/``, ``models/`` and ``casetables/``."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


def camera_file(name: str) -> Path:
    """Return the TOML file of the camera called ``name``.

    Raises:
        InputError: no such camera ships; the hint lists those that do.
    """
    return _profile("camera", "flightplans/cameras", name)


def aircraft_file(name: str) -> Path:
    """Return the TOML file of the aircraft called ``name``.

    Raises:
        InputError: no such aircraft ships; the hint lists those that do.
    """
    return _profile("aircraft", "flightplans/aircraft", name)


def aircraft_names() -> tuple[str, ...]:
    """Return the names of the aircraft that ship."""
    return tuple(sorted(path.stem for path in (data_folder() / "flightplans" / "aircraft").glob("*.toml")))


def case_table_file(name: str) -> Path:
    """Return the TOML file of the code table called ``name``.

    Raises:
        InputError: no such table ships; the hint lists those that do.
    """
    return _profile("code table", "casetables", name)


def _profile(what: str, folder_name: str, name: str) -> Path:
    folder = data_folder() / folder_name
    names = sorted(path.stem for path in folder.glob("*.toml"))
    if name not in names:
        raise InputError(f"No {what} is called {name!r}.", hint=f"Use one of: {', '.join(names)}.")
    return folder / f"{name}.toml"
