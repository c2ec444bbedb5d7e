"""Roundup 2.6.0: an issue tracker whose REST interface can give a link that files one issue once (`@poe`).

The classic tracker, with four properties more: the external key, longitude, latitude, and what is told of the
case. The external key is not the tracker's own key: a plain POST sent twice files two issues.
"""

import os
import secrets
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.peers.base import (
    INSTALL,
    LOOPBACK,
    Peer,
    PeerError,
    answers,
    cache,
    free_port,
    plain_environment,
    whole,
)

TRACKER = "cases"
# Roundup reads this file each time the tracker is opened; `issue` is a name of the classic schema.
PROPERTIES = """
issue.properties.update(external_key=String(), lon=Number(), lat=Number(), details=String())
"""


def home() -> Path:
    """The virtual environment that the installer made."""
    return cache() / "roundup"


class Roundup(Peer):
    """Roundup's own server, one process a request, with SQLite."""

    name = "roundup"
    idempotent = True

    @classmethod
    def available(cls) -> str | None:
        """Nothing when the environment is here."""
        if not whole("roundup").exists():
            return f"Roundup is not installed: {INSTALL} (pip install roundup==2.6.0)"
        return None

    def _admin(self, *arguments: str) -> None:
        argv = [str(home() / "bin" / "roundup-admin"), "-i", str(self.tracker), *arguments]
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, env=plain_environment(), cwd=self.folder
        )
        if done.returncode != 0:
            raise PeerError(
                f"roundup-admin {arguments[0]} failed:\n{done.stdout[-500:]}{done.stderr[-1500:]}"
            )

    def _start(self) -> None:
        self.tracker = self.folder / "tracker"
        password, port = secrets.token_urlsafe(18), free_port()
        here = f"http://{LOOPBACK}:{port}/{TRACKER}/"
        # Writes must name this address as their Referer, and the links for one issue begin with it.
        web = f"http://{LOOPBACK}:{self.front_port or port}/{TRACKER}/"
        settings = f"tracker_web={web},mail_domain=localhost,admin_email=officer@localhost.localdomain"
        self._admin("install", "classic", "sqlite", settings)
        with (self.tracker / "schema.py").open("a") as schema:
            schema.write(PROPERTIES)
        self._admin("initialise", password)
        argv: list[str | Path] = [home() / "bin" / "roundup-server", "-n", LOOPBACK, "-p", str(port)]
        if os.geteuid() == 0:
            # It refuses the superuser unless a user is named, and another could not read the environment.
            argv += ["-u", "root"]
        self.serve([*argv, f"{TRACKER}={self.tracker}"], ready=lambda: answers(here, 20.0))
        self.url = f"{here}rest/data"
        rows = self._sql("SELECT _name, id FROM _status WHERE __retired__ = 0")
        self.options = {
            "user": "admin",
            "password": password,
            "web": web,
            "class": "issue",
            "key_property": "external_key",
            "lon_property": "lon",
            "lat_property": "lat",
            "stage_property": "status",
            "statuses": {str(name): int(str(number)) for name, number in rows},
        }

    def _sql(self, sql: str, *values: object) -> Sequence[Sequence[object]]:
        with closing(sqlite3.connect(self.tracker / "db" / "db", timeout=20.0)) as connection, connection:
            return connection.execute(sql, values).fetchall()

    def counts(self) -> dict[str, int]:
        """Issues of each key."""
        sql = (
            "SELECT _external_key, count(*) FROM _issue"
            " WHERE __retired__ = 0 AND _external_key IS NOT NULL GROUP BY 1"
        )
        return {str(key): int(str(n)) for key, n in self._sql(sql)}

    def position(self, external_key: str) -> tuple[float, float]:
        """Longitude and latitude as stored."""
        rows = self._sql("SELECT _lon, _lat FROM _issue WHERE _external_key = ? ORDER BY id", external_key)
        if not rows:
            raise KeyError(external_key)
        return float(str(rows[0][0])), float(str(rows[0][1]))

    def files(self, external_key: str) -> int:
        """Files linked to the issues of the key."""
        sql = (
            "SELECT count(*) FROM issue_files f JOIN _issue i ON f.nodeid = i.id"
            " WHERE i._external_key = ? AND i.__retired__ = 0"
        )
        return int(str(self._sql(sql, external_key)[0][0]))

    def set_stage(self, external_key: str, stage: str) -> None:
        """Sets the status of that name."""
        status = self.options["statuses"][stage]
        sql = (
            "UPDATE _issue SET _status = ?, _activity = strftime('%Y%m%d%H%M%f', 'now')"
            " WHERE _external_key = ?"
        )
        self._sql(sql, status, external_key)

    def reset(self) -> None:
        """Removes issues, files and their links; the numbers go on."""
        for sql in (
            "DELETE FROM _issue",
            "DELETE FROM issue_files",
            "DELETE FROM issue_nosy",
            "DELETE FROM issue_messages",
            "DELETE FROM _file",
            "DELETE FROM issue__journal",
        ):
            self._sql(sql)
