"""Installs what the peers need, as far as it may: ``python -m benchmarks.peers.install [peer ...]``.

Safe to run again: what is there stays. Packages of the system need the superuser; virtual environments and
Redmine's root go under AERIAL_PEERS (default ~/.cache/aerial-peers). Debian 12 is meant: its versions are
the ones that the measurements name.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.peers import redmine
from benchmarks.peers.base import Peer, cache, whole
from benchmarks.peers.postgis import Postgis
from benchmarks.peers.pygeoapi import PyGeoApi
from benchmarks.peers.qgis import Qgis
from benchmarks.peers.roundup import Roundup

SYSTEM = {
    "postgis": ("postgresql-15", "postgresql-client-15", "postgresql-15-postgis-3"),
    "qgis": ("qgis-server", "lighttpd"),
    "redmine": ("debootstrap",),
}
PYTHON = {
    "pygeoapi": (
        "pygeoapi==0.21.0",
        "gunicorn==27.0.1",
        "psycopg2-binary==2.9.13",
        "geoalchemy2==0.20.0",
        "sqlalchemy==2.1.9",
    ),
    "roundup": ("roundup==2.6.0",),
    "orthority": ("orthority==0.7.0",),
}
REDMINE = ("redmine", "redmine-sqlite", "puma")
NO_START = "#!/bin/sh\nexit 101\n"
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


class NotInstalled(Exception):  # noqa: N818 -- read as a sentence where it is caught
    """A step that could not be done, in words."""


def run(argv: Sequence[str | Path], **env: str) -> str:
    """Runs a command and returns what it printed; its last lines are the error."""
    done = subprocess.run(
        [str(a) for a in argv],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **QUIET, **env},
    )
    if done.returncode != 0:
        raise NotInstalled(f"{' '.join(map(str, argv[:4]))} failed:\n{(done.stdout + done.stderr)[-1500:]}")
    return done.stdout


def superuser(what: str) -> None:
    """Refuses with the commands to run when this is not the superuser."""
    if os.geteuid() != 0:
        raise NotInstalled(f"needs the superuser: {what}")


def system(names: Sequence[str]) -> None:
    """Installs packages of Debian."""
    superuser(f"apt-get install --no-install-recommends {' '.join(names)}")
    run(["apt-get", "update"])
    run(["apt-get", "install", "-y", "--no-install-recommends", *names])


def environment(name: str) -> None:
    """Makes a virtual environment with a peer in it."""
    folder = cache() / name
    shutil.rmtree(folder, ignore_errors=True)
    run([sys.executable, "-m", "venv", folder])
    run([folder / "bin" / "python", "-m", "pip", "install", *PYTHON[name]])
    whole(name).touch()


def mirror() -> str:
    """The address from which this machine takes Debian 12's packages."""
    listed = run(["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages"])
    for line in listed.splitlines():
        codename, _, address = line.partition(" ")
        if codename == "bookworm":
            return address
    raise NotInstalled("this machine's apt names no source of Debian 12 (bookworm)")


def redmine_root() -> None:
    """Makes a Debian root with Redmine in it, and the template of the database."""
    superuser("debootstrap and chroot")
    if shutil.which("debootstrap") is None:
        system(SYSTEM["redmine"])
    root = redmine.root()
    # A folder under another name until the root is whole: a broken run leaves no half root behind.
    if not (root / "usr/share/redmine").exists():
        half = root.with_name("redmine.half")
        shutil.rmtree(half, ignore_errors=True)
        half.parent.mkdir(parents=True, exist_ok=True)
        run(["debootstrap", "--variant=minbase", "bookworm", half, mirror()])
        stopper = half / "usr/sbin/policy-rc.d"
        stopper.write_text(NO_START)
        stopper.chmod(0o755)
        run(["chroot", half, "apt-get", "install", "-y", "--no-install-recommends", *REDMINE])
        run(["chroot", half, "apt-get", "clean"])
        half.rename(root)
    redmine.prepare()


def both(*steps: Callable[[], None]) -> Callable[[], None]:
    """Steps in order, as one."""

    def do() -> None:
        for step in steps:
            step()

    return do


def geo() -> None:
    """PostgreSQL with PostGIS, unless it is there."""
    if Postgis.available() is not None:
        system(SYSTEM["postgis"])


PEERS: dict[str, tuple[type[Peer], Callable[[], None]]] = {
    "postgis": (Postgis, geo),
    "pygeoapi": (PyGeoApi, both(geo, lambda: environment("pygeoapi"))),
    "roundup": (Roundup, lambda: environment("roundup")),
    "qgis": (Qgis, both(geo, lambda: system(SYSTEM["qgis"]))),
    "redmine": (redmine.Redmine, redmine_root),
}


def absent_tool(name: str) -> str | None:
    """Why a program that a benchmark calls cannot be called, None when it can."""
    return None if whole(name).exists() else f"no virtual environment of {name}"


# What is installed: why it is not there (None when it is), and how it comes there. Tools have no server.
Step = tuple[Callable[[], str | None], Callable[[], None]]
STEPS: dict[str, Step] = {name: (peer.available, install) for name, (peer, install) in PEERS.items()}
STEPS["orthority"] = (partial(absent_tool, "orthority"), lambda: environment("orthority"))


def main(argv: Sequence[str] | None = None) -> int:
    """Installs the named peers, or all; exits 1 when one is not there afterwards."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peers", nargs="*", help=f"of {', '.join(STEPS)}; default: all")
    names = parser.parse_args(argv).peers or list(STEPS)
    unknown = sorted(set(names) - set(STEPS))
    if unknown:
        parser.error(f"no such peer: {', '.join(unknown)}")
    absent = 0
    for name in names:
        missing, install = STEPS[name]
        began, said = time.monotonic(), "was there"
        if missing() is not None:
            try:
                install()
                said = f"installed in {time.monotonic() - began:.0f} s"
            except (NotInstalled, OSError) as error:
                said = f"not installed: {error}"
        reason = missing()
        absent += reason is not None
        print(f"{name}: {said}" + (f"; {reason}" if reason else ""), flush=True)
    return int(absent > 0)


if __name__ == "__main__":
    sys.exit(main())
