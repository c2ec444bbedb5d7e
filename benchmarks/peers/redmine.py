"""Redmine 5.0.4 as Debian ships it, in a root of its own: an issue tracker that files a repeated POST twice.

`prepare` makes a template once: REST on, a key, a project, and the three custom fields of a case. Each start
takes a copy of it as an instance of its own.
"""

import json
import os
import secrets
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.peers.base import INSTALL, LOOPBACK, Peer, PeerError, answers, cache, free_port

APPLICATION = "/usr/share/redmine"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# SQLite lets one write at a time: one thread answers, the others' requests wait in the server.
THREADS = "1:1"
DATABASE_SETTINGS = "production:\n  adapter: sqlite3\n  database: {path}\n  timeout: 20000\n"
PREPARE = """
Setting.rest_api_enabled = '1'
admin = User.find_by_login('admin')
admin.update_columns(must_change_passwd: false)
Token.create!(user: admin, action: 'api')
trackers = Tracker.pluck(:id)
project = Project.create!(name: 'Cases', identifier: 'cases', is_public: false, tracker_ids: trackers,
                          enabled_module_names: %w[issue_tracking])
fields = [%w[external_key string], %w[lon float], %w[lat float]].to_h do |name, format|
  [name, IssueCustomField.create!(name: name, field_format: format, is_filter: true, is_for_all: true,
                                  searchable: format == 'string', visible: true, tracker_ids: trackers).id]
end
puts 'PREPARED ' + {project: project.id, fields: fields, tracker: trackers.min,
                    statuses: IssueStatus.pluck(:name, :id).to_h,
                    priorities: IssuePriority.pluck(:name, :id).to_h}.to_json
"""


def root() -> Path:
    """The Debian root that the installer made."""
    return cache() / "redmine"


def template() -> Path:
    """The folder of the prepared database, inside the root."""
    return root() / "srv" / "aerial"


def inside(path: Path) -> str:
    """A path as the programs in the root see it."""
    return "/" + path.relative_to(root()).as_posix()


class Instance:
    """One tenant of Debian's Redmine: settings, database, files and logs in one folder."""

    def __init__(self) -> None:
        self.name = f"peer{secrets.token_hex(6)}"
        self.folder = root() / "var" / "lib" / "redmine" / self.name
        self.database = self.folder / "db.sqlite3"
        self.attachments = self.folder / "files"

    def make(self, database: Path) -> None:
        """Lays out the folder, with a copy of a database."""
        for name in ("config", "files", "log", "tmp", "public/plugin_assets"):
            (self.folder / name).mkdir(parents=True)
        shutil.copyfile(database, self.database)
        settings = DATABASE_SETTINGS.format(path=inside(self.database))
        (self.folder / "config" / "database.yml").write_text(settings)
        (self.folder / "config" / "secret_key.txt").write_text(secrets.token_hex(64))

    def remove(self) -> None:
        """Removes the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def env(self) -> dict[str, str]:
        """What a program of Redmine needs to find the instance."""
        return {
            "PATH": PATH,
            "HOME": "/tmp",  # noqa: S108 -- of the root, not of this machine
            "LANG": "C.UTF-8",
            "RAILS_ENV": "production",
            "REDMINE_INSTANCE": self.name,
        }


def prepare() -> None:
    """Makes the template from the database that Debian's package made."""
    fresh = root() / "var/lib/dbconfig-common/sqlite3/redmine/instances/default/redmine_default"
    instance = Instance()
    instance.make(fresh)
    try:
        script = instance.folder / "prepare.rb"
        script.write_text(PREPARE)
        argv: list[str | Path] = ["chroot", root(), f"{APPLICATION}/bin/rails", "runner", inside(script)]
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, env=instance.env, timeout=300
        )
        told = [line for line in done.stdout.splitlines() if line.startswith("PREPARED ")]
        if done.returncode != 0 or not told:
            raise PeerError(f"Redmine could not be prepared:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
        template().mkdir(parents=True, exist_ok=True)
        shutil.copyfile(instance.database, template() / "template.sqlite3")
        # Written last: its presence says that the template is whole.
        (template() / "ids.json").write_text(told[0].removeprefix("PREPARED "))
    finally:
        instance.remove()


class Redmine(Peer):
    """Redmine on puma, with SQLite."""

    name = "redmine"
    idempotent = False

    @classmethod
    def available(cls) -> str | None:
        """Nothing when the root and the template are here and this runs as root."""
        if not (template() / "ids.json").exists():
            return f"Redmine's root is not made: {INSTALL} (debootstrap, then apt-get install redmine in it)"
        if os.geteuid() != 0:
            return "Redmine runs in a root of its own, and chroot needs the superuser: run this as root"
        return None

    def _start(self) -> None:
        ids = json.loads((template() / "ids.json").read_text())
        self.instance = Instance()
        self._undo.callback(self.instance.remove)
        self.instance.make(template() / "template.sqlite3")
        key = secrets.token_hex(20)
        self._sql("UPDATE tokens SET value = ? WHERE action = 'api'", key)
        port = free_port()
        self.url = f"http://{LOOPBACK}:{port}"
        argv: list[str | Path] = [
            "chroot",
            root(),
            "/usr/bin/puma",
            "--dir",
            APPLICATION,
            "-e",
            "production",
            "-t",
            THREADS,
        ]
        argv += ["-b", f"tcp://{LOOPBACK}:{port}", "config.ru"]
        ready = f"{self.url}/issue_statuses.json"
        self.serve(argv, ready=lambda: answers(ready, 30.0), limit_s=120.0, env=self.instance.env)
        self.options = {
            "api_key": key,
            "project": ids["project"],
            "tracker": ids["tracker"],
            "priority": ids["priorities"]["Normal"],
            "fields": ids["fields"],
            "statuses": ids["statuses"],
        }

    def _sql(self, sql: str, *values: object) -> Sequence[Sequence[object]]:
        with closing(sqlite3.connect(self.instance.database, timeout=20.0)) as connection, connection:
            return connection.execute(sql, values).fetchall()

    def counts(self) -> dict[str, int]:
        """Issues for each value of the custom field."""
        sql = (
            "SELECT v.value, count(*) FROM issues i JOIN custom_values v"
            " ON v.customized_type = 'Issue' AND v.customized_id = i.id"
            " WHERE v.custom_field_id = ? AND v.value <> '' GROUP BY 1"
        )
        return {str(k): int(str(n)) for k, n in self._sql(sql, self.options["fields"]["external_key"])}

    def _issues(self, external_key: str) -> list[int]:
        sql = (
            "SELECT customized_id FROM custom_values WHERE customized_type = 'Issue'"
            " AND custom_field_id = ? AND value = ? ORDER BY 1"
        )
        rows = self._sql(sql, self.options["fields"]["external_key"], external_key)
        if not rows:
            raise KeyError(external_key)
        return [int(str(row[0])) for row in rows]

    def position(self, external_key: str) -> tuple[float, float]:
        """Longitude and latitude from the two custom fields."""
        issue = self._issues(external_key)[0]
        sql = (
            "SELECT value FROM custom_values WHERE customized_type = 'Issue'"
            " AND customized_id = ? AND custom_field_id = ?"
        )
        fields = self.options["fields"]
        lon, lat = (float(str(self._sql(sql, issue, fields[name])[0][0])) for name in ("lon", "lat"))
        return lon, lat

    def files(self, external_key: str) -> int:
        """Attachments of all issues of the key."""
        sql = "SELECT count(*) FROM attachments WHERE container_type = 'Issue' AND container_id = ?"
        return sum(int(str(self._sql(sql, issue)[0][0])) for issue in self._issues(external_key))

    def set_stage(self, external_key: str, stage: str) -> None:
        """Sets the status of that name."""
        status = self.options["statuses"][stage]
        for issue in self._issues(external_key):
            self._sql(
                "UPDATE issues SET status_id = ?, updated_on = datetime('now') WHERE id = ?", status, issue
            )

    def reset(self) -> None:
        """Removes issues, their values, journals and files."""
        for sql in (
            "DELETE FROM issues",
            "DELETE FROM custom_values WHERE customized_type = 'Issue'",
            "DELETE FROM journal_details",
            "DELETE FROM journals",
            "DELETE FROM attachments",
        ):
            self._sql(sql)
        for path in self.instance.attachments.glob("*"):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
