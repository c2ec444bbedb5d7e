"""An Open311 GeoReport v2 server that somebody has started here: 6aika's issue-reporting with SQLite.

No package registry carries a server of that standard, and a program from elsewhere is neither fetched nor
built by this project. So this peer is met, not started. These variables say where it is:

* `AERIAL_OPEN311_URL`: the root of the interface, such as `http://127.0.0.1:8311/api/georeport/v2`
* `AERIAL_OPEN311_DATABASE`: its SQLite file
* `AERIAL_OPEN311_KEY`: the key of an application; `AERIAL_OPEN311_SERVICE`: a service code

The standard has no field for a key of another's. The sink writes it into the description, and this module
finds it there by the pattern that it is given.
"""

import os
import re
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing

from benchmarks.peers.base import Peer, PeerError, answers

VARIABLES = tuple(f"AERIAL_OPEN311_{name}" for name in ("URL", "DATABASE", "KEY", "SERVICE"))


class Open311(Peer):
    """A GeoReport v2 server on loopback; it knows two stages, open and closed."""

    name = "open311"
    idempotent = False

    def __init__(self, *, key_pattern: str, front_port: int | None = None) -> None:
        super().__init__(front_port=front_port)
        self._pattern = re.compile(key_pattern)

    @classmethod
    def available(cls) -> str | None:
        """Nothing when all variables are set."""
        absent = [name for name in VARIABLES if not os.environ.get(name)]
        if absent:
            return (
                "no Open311 server is named (no registry carries one): start 6aika's issue-reporting by hand"
                f" and set {', '.join(absent)}"
            )
        return None

    def _start(self) -> None:
        self.url, self._database, key, service = (os.environ[name] for name in VARIABLES)
        self.url = self.url.rstrip("/")
        if not answers(f"{self.url}/services.json"):
            raise PeerError(f"no Open311 server answers at {self.url}")
        self.options = {"api_key": key, "service_code": service, "statuses": ("open", "closed")}

    def _sql(self, sql: str, *values: object) -> Sequence[Sequence[object]]:
        with closing(sqlite3.connect(self._database, timeout=20.0)) as connection, connection:
            return connection.execute(sql, values).fetchall()

    def _rows(self, external_key: str) -> list[Sequence[object]]:
        sql = "SELECT id, description, long, lat FROM issues_issue ORDER BY id"
        return [row for row in self._sql(sql) if external_key in self._pattern.findall(str(row[1]))]

    def counts(self) -> dict[str, int]:
        """Requests whose description names the key."""
        found: Counter[str] = Counter()
        for (description,) in self._sql("SELECT description FROM issues_issue"):
            found.update(set(self._pattern.findall(str(description))))
        return dict(found)

    def position(self, external_key: str) -> tuple[float, float]:
        """Longitude and latitude as stored."""
        rows = self._rows(external_key)
        if not rows:
            raise KeyError(external_key)
        return float(str(rows[0][2])), float(str(rows[0][3]))

    def files(self, external_key: str) -> int:
        """Files kept by the media extension."""
        sql = "SELECT count(*) FROM issues_media_issuemedia WHERE issue_id = ?"
        return sum(int(str(self._sql(sql, row[0])[0][0])) for row in self._rows(external_key))

    def set_stage(self, external_key: str, stage: str) -> None:
        """Sets the status."""
        for row in self._rows(external_key):
            self._sql("UPDATE issues_issue SET status = ? WHERE id = ?", stage, row[0])

    def reset(self) -> None:
        """Removes requests and their files' rows."""
        for sql in (
            "DELETE FROM issues_media_issuemedia",
            "DELETE FROM issues_log_logentry",
            "DELETE FROM issue_citysdk_ext",
            "DELETE FROM issues_hel_task",
            "DELETE FROM issues_issue",
        ):
            self._sql(sql)
