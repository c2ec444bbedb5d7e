"""Memory that is freed goes back to the system."""

import ctypes
import sys

# Of mallopt(3): sizes from which on an array is a mapping of its own, and free memory is given back.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def give_back_freed() -> None:
    """Make glibc give large arrays back when they are freed; elsewhere nothing is needed.

    By itself it learns from the first large array to keep what is freed, tens of megabytes in every
    thread: a comparison that holds 400 MB would occupy 500.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 4 << 20)
        mallopt(_TRIM_THRESHOLD, 8 << 20)
