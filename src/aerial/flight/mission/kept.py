"""What a vehicle held before an upload, kept on disk so that it can be given back.

One JSON object: for each kind the items (null: it could not be read) and whether what replaced them was
proved. What an upload that failed had replaced is not overwritten by the mix that it left.
"""

import math
from pathlib import Path
from typing import Any

from aerial.codec import read_json, write_json
from aerial.errors import InputError
from aerial.flight.mission.wire import MissionType
from aerial.records import MissionItem


class Kept:
    """The file ``path``; ``autopilot`` names the firmware that its items are of."""

    def __init__(self, path: Path, autopilot: str) -> None:
        self._path = path
        self._data: dict[str, Any] = {}
        if path.is_file():
            data = read_json(path)
            if not isinstance(data, dict):
                raise InputError(f"{path} is not what an upload keeps.", hint="Delete it, and upload again.")
            self._data = data
        if self._data.setdefault("autopilot", autopilot) != autopilot:
            self._data = {"autopilot": autopilot}

    def keep(self, kind: MissionType, items: tuple[MissionItem, ...] | None) -> None:
        """Keep ``items``, unless those of an upload that failed are kept still."""
        # What cannot be read is no mission to give back.
        row = self._data.get(kind)
        if not isinstance(row, dict) or row.get("proved") is not False:
            plain = None if items is None else [_plain(item) for item in items]
            self._data[kind] = {"proved": False, "items": plain}
            write_json(self._path, self._data)

    def proved(self, kind: MissionType) -> None:
        """Note that what replaced them is known to be whole."""
        self._data[kind]["proved"] = True
        write_json(self._path, self._data)

    def items(self, kind: MissionType) -> tuple[MissionItem, ...] | None:
        """Return what is kept of a kind; None: nothing.

        Raises:
            InputError: the file was changed to something else.
        """
        try:
            rows = (self._data.get(kind) or {}).get("items")
            return None if rows is None else tuple(_item(row) for row in rows)
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            raise InputError(
                f"{self._path} is not what an upload keeps.", hint="Delete it, and upload again."
            ) from exc


def _plain(item: MissionItem) -> dict[str, Any]:
    # JSON has neither NaN nor infinity; a vehicle may hold both.
    params = [
        None if math.isnan(value) else value if math.isfinite(value) else str(value) for value in item.params
    ]
    return {"seq": item.seq, "frame": item.frame, "command": item.command, "params": params}


def _item(row: dict[str, Any]) -> MissionItem:
    p1, p2, p3, p4, p5, p6, p7 = (math.nan if value is None else float(value) for value in row["params"])
    return MissionItem(
        seq=int(row["seq"]),
        frame=int(row["frame"]),
        command=int(row["command"]),
        params=(p1, p2, p3, p4, p5, p6, p7),
    )
