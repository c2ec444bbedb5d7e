"""Programs that are no Python packages: a test skips without its own, but not where CI installs it."""

import os
from typing import NoReturn

import pytest


def lacking(reason: str) -> NoReturn:
    """Skip for want of a program, with the reason; fail where everything is said to be installed."""
    if os.environ.get("REQUIRE_SYSTEM_SOFTWARE"):
        pytest.fail(f"{reason} (and REQUIRE_SYSTEM_SOFTWARE says that nothing may be missing)")
    pytest.skip(reason)
