"""MAVLink 2 signing: the key, the clock that only goes forward, and what is refused.

Source: MAVLink guide, "Message Signing": 13 bytes behind the checksum (link, 48 bits of time in 10 us
since 2015-01-01, 48 bits of SHA-256). With a key set, unsigned and MAVLink 1 frames are refused.
"""

import contextlib
import hashlib
import os
import re
import stat
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

from aerial.codec import replacing
from aerial.errors import InputError
from aerial.flight.mavlink import same_bytes, signature_of

ENVIRONMENT = "AERIAL_MAVLINK_KEY"
_EPOCH_S = 1_420_070_400.0  # 2015-01-01 UTC
_TICKS_PER_S = 100_000
# A sender that was not heard before may be this far behind.
_BEHIND = 60 * _TICKS_PER_S
_SIGNATURE = 13
_MOST = 2**48
# The file keeps a time ahead of what was used, so that it is written once in this while. Short: each
# restart begins there, and a vehicle that follows us refuses stations that are a minute behind.
_AHEAD = 2 * _TICKS_PER_S


def read_key(path: Path | None) -> bytes | None:
    """Return the 32-byte key of ``path``, or of the environment; None: there is none.

    The file or variable holds 64 hexadecimal digits, or a pass phrase, whose SHA-256 is the key (as
    other ground stations do it).

    Raises:
        InputError: the file is absent, empty, or readable by others.
    """
    if path is None:
        text = os.environ.get(ENVIRONMENT, "").strip()
        return _key(text) if text else None
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(
            f"The signing key {path} cannot be read.", hint="Give a text file that holds the key."
        ) from exc
    if sys.platform != "win32" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InputError(f"The signing key {path} can be read by others.", hint=f"Run: chmod 600 {path}")
    if not text:
        raise InputError(f"The signing key {path} is empty.", hint="Write 64 hexadecimal digits into it.")
    return _key(text)


def _key(text: str) -> bytes:
    return (
        bytes.fromhex(text)
        if re.fullmatch(r"[0-9a-fA-F]{64}", text)
        else hashlib.sha256(text.encode()).digest()
    )


class KeySigner:
    """Signs with one key and checks what comes; keeps the time it used last in ``memory``.

    ``memory``: a file; None where one run is all there is (a simulated vehicle).

    Raises:
        InputError: ``memory`` cannot be written.
    """

    def __init__(
        self, key: bytes, link: int = 0, memory: Path | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._key, self._link, self._memory, self._clock = key, link, memory, clock
        self._last = max(self._now(), self._remembered())
        self._kept = 0
        self._senders: dict[tuple[int, int, int], int] = {}
        try:
            self._keep()
        except OSError as exc:
            raise InputError(
                f"The time of the last signature cannot be kept in {memory}: {exc.strerror or exc}.",
                hint="Make room on the disk, and give yourself the right to write there.",
            ) from exc

    def __repr__(self) -> str:
        """Return a text without the key."""
        return "KeySigner(…)"

    def signature(self, unsigned: bytes) -> bytes:
        """Return link, time and signature of a frame; the time is never used twice."""
        self._last = max(self._last + 1, self._now())
        # A disk that fills up in flight does not end the flight; it is tried again.
        with contextlib.suppress(OSError):
            self._keep()
        tail = struct.pack("<B", self._link) + struct.pack("<Q", self._last)[:6]
        return tail + signature_of(self._key, unsigned, tail)

    def accepts(self, frame: bytes, system: int, component: int) -> bool:
        """Tell whether the signature is right, and newer than the last of its sender and link."""
        unsigned, tail = frame[:-_SIGNATURE], frame[-_SIGNATURE:-6]
        if not same_bytes(signature_of(self._key, unsigned, tail), frame[-6:]):
            return False
        at = int.from_bytes(tail[1:], "little")
        sender = (tail[0], system, component)
        newest = self._senders.get(sender)
        if at <= newest if newest is not None else at < self._last - _BEHIND:
            return False
        self._senders[sender] = at
        self._last = max(self._last, at)
        return True

    def _now(self) -> int:
        return int((self._clock() - _EPOCH_S) * _TICKS_PER_S)

    def _remembered(self) -> int:
        try:
            found = int(self._memory.read_text(encoding="ascii")) if self._memory else 0
        except (OSError, ValueError):
            return 0
        return found if found < _MOST else 0

    def _keep(self) -> None:
        if self._memory is None or self._last < self._kept:
            return
        self._kept = self._last + _AHEAD
        with replacing(self._memory) as part:
            part.write_text(str(self._kept), encoding="ascii")
