"""Memory that is freed goes back to the system."""

import ctypes
import sys
from typing import Any

# Of mallopt(3): sizes from which on an array is a mapping of its own, and free memory is given back.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def give_back_freed() -> None:
    """Make glibc give large arrays back when they are freed; elsewhere nothing is needed.

    By itself it learns from the first large array to keep what is freed, tens of megabytes in every
    thread: a comparison that holds 400 MB would occupy 500.
    """
    mallopt = _of_glibc("mallopt")
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 4 << 20)
        mallopt(_TRIM_THRESHOLD, 8 << 20)


def give_back_small() -> None:
    """Make glibc give back what many small arrays left in every thread's part; elsewhere nothing is done.

    For the end of a stage: it looks through all of the memory.
    """
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_glibc(name: str) -> Any:
    """Return a function of the C library, None where it is another one."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None
