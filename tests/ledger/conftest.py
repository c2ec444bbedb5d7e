"""Every test of the ledger runs on SQLite and on a real PostgreSQL."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from aerial.ledger.store import Ledger, open_ledger
from tests import postgres
from tests.system import lacking

_number = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A private PostgreSQL server; skips where the programs are not installed."""
    programs = postgres.binaries()
    if programs is None:
        lacking("PostgreSQL's server is not installed (Debian: postgresql); its tests need initdb")
    with postgres.running(programs) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a ledger can be made, new for each test."""
    if request.param == "sqlite":
        yield str(tmp_path / "ledger.sqlite")
        return
    server: postgres.Server = request.getfixturevalue("postgres_server")
    name = f"ledger_{next(_number)}"
    yield server.make(name)
    server.drop(name)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """A new ledger of a device called "laptop"."""
    with open_ledger(ledger_url, device_name="laptop") as opened:
        yield opened
