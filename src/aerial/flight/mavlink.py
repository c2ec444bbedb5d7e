"""MAVLink 2 frames to messages and back; the only user of pymavlink.

pymavlink knows the messages. Finding frames in a stream of bytes is done here: after a broken frame the
search goes on at its second byte, so that noise never swallows a sound frame behind it. Signatures are
checked here too: a frame's time stamp is believed only after its signature was right.

Source: MAVLink guide, "Packet Serialization" and "Message Signing" (mavlink.io).
"""

import hashlib
import hmac
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from pymavlink.dialects.v20 import ardupilotmega as dialect

# Messages are classes that pymavlink generates; their fields are those of the MAVLink definitions.
__all__ = ["Codec", "Counts", "Message", "Signer", "dialect", "same_bytes", "signature_of"]

Message: TypeAlias = Any

_MARKER_1, _MARKER_2 = 0xFE, 0xFD
_HEADER_1, _HEADER_2, _CRC, _SIGNATURE = 6, 10, 2, 13
_SIGNED = 0x01
# A frame that others overtook is so many numbers late at most.
_LATE = 33


class Signer(Protocol):
    """Signs and checks frames; see ``flight.signing``."""

    def signature(self, unsigned: bytes) -> bytes:
        """Return the 13 bytes that follow a frame: link, time, signature."""

    def accepts(self, frame: bytes, system: int, component: int) -> bool:
        """Tell whether a frame's signature is right and newer than the last of its sender."""


@dataclass(slots=True)
class Counts:
    """What came over a link.

    ``lost`` by gaps in the senders' frame numbers; ``unchecked``: signed, and nobody had a key.
    """

    received: int = 0
    lost: int = 0
    broken: int = 0
    refused: int = 0
    unchecked: int = 0
    sent: int = 0

    @property
    def lost_share(self) -> float:
        """Return the share of the frames sent to us that did not come."""
        return self.lost / max(self.received + self.lost, 1)


@dataclass(slots=True)
class Codec:
    """Packs messages as ``system``/``component`` and finds messages in bytes.

    With a ``signer``, what is sent is signed, and unsigned, wrongly signed and MAVLink 1 frames are
    refused. Without one, signatures are not looked at.
    """

    system: int
    component: int
    signer: Signer | None = None
    counts: Counts = field(default_factory=Counts)
    _buffer: bytearray = field(default_factory=bytearray)
    _last: dict[tuple[int, int], int] = field(default_factory=dict)
    _missing: dict[tuple[int, int], set[int]] = field(default_factory=dict)
    _packer: Any = field(init=False)

    def __post_init__(self) -> None:
        self._packer = dialect.MAVLink(None, srcSystem=self.system, srcComponent=self.component)

    def pack(self, message: Message) -> bytes:
        """Return the frame of ``message``."""
        frame = bytes(message.pack(self._packer))
        self._packer.seq = (self._packer.seq + 1) % 256
        self.counts.sent += 1
        return frame if self.signer is None else _sign(frame, type(message).crc_extra, self.signer)

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that ``data`` completes; what is broken or refused is only counted."""
        self._buffer += data
        return list(self._messages())

    def _messages(self) -> Iterator[Message]:
        buffer, at = self._buffer, 0
        while at < len(buffer):
            if buffer[at] not in (_MARKER_1, _MARKER_2):
                at += 1
                continue
            length = _length(buffer, at)
            if length is None or at + length > len(buffer):
                break
            message = self._decoded(bytes(buffer[at : at + length]))
            if message is None:
                at += 1
                continue
            at += length
            if self._admitted(message, bytes(buffer[at - length : at])):
                yield message
        del buffer[:at]

    def _decoded(self, frame: bytes) -> Message | None:
        if frame[0] == _MARKER_2 and frame[2] & ~_SIGNED:
            self.counts.broken += 1
            return None
        try:
            message = self._packer.decode(bytearray(frame))
        except dialect.MAVError:
            self.counts.broken += 1
            return None
        # An unknown message has no checksum that could be checked.
        if message.get_type().startswith("UNKNOWN"):
            self.counts.broken += 1
            return None
        return message

    def _admitted(self, message: Message, frame: bytes) -> bool:
        sender = (message.get_srcSystem(), message.get_srcComponent())
        signed = frame[0] == _MARKER_2 and bool(frame[2] & _SIGNED)
        if self.signer is None:
            self.counts.unchecked += signed
        elif not signed or not self.signer.accepts(frame, *sender):
            self.counts.refused += 1
            return False
        self._count(sender, message.get_seq())
        return True

    def _count(self, sender: tuple[int, int], number: int) -> None:
        self.counts.received += 1
        last, missing = self._last.get(sender, number - 1), self._missing.setdefault(sender, set())
        gap = (number - last - 1) % 256
        if gap >= 256 - _LATE:
            # Overtaken by others, or come twice.
            self.counts.lost -= number in missing
            missing.discard(number)
            return
        # Further back only a sender that has started anew counts.
        if gap < 128:
            self.counts.lost += gap
            missing |= {(last + step) % 256 for step in range(1, gap + 1)}
        missing.discard(number)
        self._last[sender] = number


def _length(buffer: bytearray, at: int) -> int | None:
    """Return how many bytes the frame at ``at`` claims to have; None: its head is not whole yet."""
    if buffer[at] == _MARKER_1:
        return _HEADER_1 + buffer[at + 1] + _CRC if len(buffer) > at + 1 else None
    if len(buffer) <= at + 2:
        return None
    return _HEADER_2 + buffer[at + 1] + _CRC + (_SIGNATURE if buffer[at + 2] & _SIGNED else 0)


def _sign(frame: bytes, crc_extra: int, signer: Signer) -> bytes:
    """Return a MAVLink 2 frame with the signed flag, its checksum anew, and its signature."""
    body = bytearray(frame[:-_CRC])
    body[2] |= _SIGNED
    crc = dialect.x25crc(bytes(body[1:]) + bytes([crc_extra])).crc
    unsigned = bytes(body) + struct.pack("<H", crc)
    return unsigned + signer.signature(unsigned)


def signature_of(key: bytes, unsigned: bytes, link_and_time: bytes) -> bytes:
    """Return the six bytes that prove the key: SHA-256 over key, frame, link and time."""
    return hashlib.sha256(key + unsigned + link_and_time).digest()[:6]


def same_bytes(a: bytes, b: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(a, b)
