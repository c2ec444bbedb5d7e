"""Frames: found in any stream of bytes, counted, and believed only where they are signed."""

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as peer
from tests.flight.anything import KINDS, anything

from aerial.flight.mavlink import Codec, Message, dialect
from aerial.flight.signing import KeySigner

KEY = bytes(range(32))
# Longer than any frame: what noise announced as one has come to its end.
SILENCE = bytes(300)


def text(number: int) -> Message:
    """Return a message that can be told from others."""
    return dialect.MAVLink_statustext_message(6, f"number {number}".encode())


def signer(clock_s: float = 1.8e9) -> KeySigner:
    """Return a signer of our key, whose clock stands."""
    return KeySigner(KEY, clock=lambda: clock_s)


def bytes_of(message: Message) -> bytes:
    """Return the fields as they travel: NaN is equal to itself there."""
    return bytes(message.pack(peer.MAVLink(None)))[10:-2]


def test_round_trip() -> None:
    """Every kind of message comes out as it went in, with its sender."""
    for kind in KINDS:
        message = anything(random.Random(kind.id), kind)
        (heard,) = Codec(system=255, component=25).feed(Codec(system=7, component=9).pack(message))
        assert (heard.get_srcSystem(), heard.get_srcComponent()) == (7, 9)
        assert bytes_of(heard) == bytes_of(message), kind.msgname


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.binary(max_size=60), min_size=4, max_size=4),
    st.lists(st.sampled_from([0xFD, 0xFE, 0x00, 0x01, 0xFF]), max_size=12),
    st.integers(1, 400),
)
def test_noise_swallows_no_frame(noise: list[bytes], markers: list[int], piece: int) -> None:
    """Between any noise, in pieces of any size, every sound frame is found, and in order."""
    sender, codec = Codec(system=1, component=1), Codec(system=255, component=25)
    frames = [sender.pack(text(number)) for number in range(3)]
    stream = b"".join(
        one + bytes(markers) + frame for one, frame in zip(noise, [*frames, SILENCE], strict=True)
    )
    heard = [
        message.text
        for at in range(0, len(stream), piece)
        for message in codec.feed(stream[at : at + piece])
        if message.get_type() == "STATUSTEXT"
    ]
    assert heard == ["number 0", "number 1", "number 2"]


def test_broken_frame_hides_nothing() -> None:
    """A frame whose bits were turned is counted as broken; the sound one that it claims to hold is found."""
    sender, codec = Codec(system=1, component=1), Codec(system=255, component=25)
    first, second = sender.pack(text(1)), sender.pack(text(2))
    longer = bytes([first[0], len(first) + 20]) + first[2:]
    assert [message.text for message in codec.feed(longer + second + SILENCE)] == ["number 2"]
    assert codec.counts.broken >= 1


def test_mavlink_1() -> None:
    """Frames of MAVLink 1 are read, between those of MAVLink 2."""
    old = peer.MAVLink(None, srcSystem=3, srcComponent=1)
    one = bytes(peer.MAVLink_heartbeat_message(2, 3, 0, 4, 5, 3).pack(old, force_mavlink1=True))
    assert one[0] == 0xFE
    sender, codec = Codec(system=1, component=1), Codec(system=255, component=25)
    heard = codec.feed(sender.pack(text(0)) + one + sender.pack(text(1)))
    assert [message.get_srcSystem() for message in heard] == [1, 3, 1]
    assert heard[1].custom_mode == 4


def test_byte_by_byte() -> None:
    """A frame in single bytes is one message, told with its last byte."""
    codec = Codec(system=255, component=25)
    frame = Codec(system=1, component=1).pack(text(5))
    heard = [len(codec.feed(bytes([byte]))) for byte in frame]
    assert heard == [0] * (len(frame) - 1) + [1]


@pytest.mark.parametrize(
    ("order", "lost"),
    [
        ([0, 1, 2, 3], 0),
        ([0, 1, 4, 5], 2),
        ([0, 1, 1, 2, 2, 2, 3], 0),
        ([0, 2, 1, 3], 0),
        ([0, 3, 1, 4], 1),
        ([0, 2, 1, 1, 3], 0),
        ([254, 255, 256, 258], 1),
        ([0, 1, 100, 101], 98),
    ],
)
def test_lost_frames(order: list[int], lost: int) -> None:
    """Gaps in the numbers count as lost, over the wrap too; frames late or doubled do not."""
    sender, codec = Codec(system=1, component=1), Codec(system=255, component=25)
    frames = [sender.pack(text(number)) for number in range(max(order) + 1)]
    for number in order:
        codec.feed(frames[number])
    assert (codec.counts.received, codec.counts.lost) == (len(order), lost)


def test_lost_after_a_reboot() -> None:
    """A sender that counts from 0 again has lost nothing, and its later gaps are counted at once."""
    codec = Codec(system=255, component=25)
    for numbers in (range(100), (0, 1, 4)):
        sender = Codec(system=1, component=1)
        frames = [sender.pack(text(number)) for number in range(100)]
        for number in numbers:
            codec.feed(frames[number])
    assert codec.counts.lost == 2


def test_senders_are_counted_apart() -> None:
    """The numbers of two components do not make gaps in each other."""
    one, other = Codec(system=1, component=1), Codec(system=1, component=100)
    codec = Codec(system=255, component=25)
    for number in range(5):
        codec.feed(one.pack(text(number)))
        if number > 3:
            codec.feed(other.pack(text(number)))
    assert codec.counts.lost == 0


class Ears:
    """A station with a key, and a vehicle with the same key."""

    def __init__(self) -> None:
        self.codec = Codec(system=255, component=25, signer=signer())
        self.vehicle = Codec(system=1, component=1, signer=signer())

    def hears(self, frame: bytes) -> bool:
        """Tell whether a frame is believed; it must be refused, not broken, where it is not."""
        refused = self.codec.counts.refused
        heard = bool(self.codec.feed(frame))
        assert self.codec.counts.refused == refused + (not heard)
        return heard


def test_signed() -> None:
    """What is signed with our key is heard; unsigned, MAVLink 1 and wrongly signed frames are not."""
    ears = Ears()
    assert ears.hears(ears.vehicle.pack(text(0)))
    assert not ears.hears(Codec(system=1, component=1).pack(text(1)))
    old = peer.MAVLink(None, srcSystem=1, srcComponent=1)
    assert not ears.hears(bytes(text(1).pack(old, force_mavlink1=True)))
    wrong = Codec(system=1, component=1, signer=KeySigner(bytes(32), clock=lambda: 1.8e9))
    assert not ears.hears(wrong.pack(text(1)))
    turned = bytearray(ears.vehicle.pack(text(1)))
    turned[-1] ^= 1
    assert not ears.hears(bytes(turned))
    assert ears.hears(ears.vehicle.pack(text(2)))


def test_replayed() -> None:
    """A frame is believed once, and an older one never after a newer one."""
    ears = Ears()
    first, second = ears.vehicle.pack(text(0)), ears.vehicle.pack(text(1))
    assert ears.hears(second)
    assert not ears.hears(second)
    assert not ears.hears(first)


def test_sender_from_the_past() -> None:
    """What was signed more than a minute ago is refused from a sender that was not heard before."""
    ears = Ears()
    assert not ears.hears(Codec(system=2, component=1, signer=signer(1.8e9 - 61)).pack(text(0)))
    assert ears.hears(Codec(system=3, component=1, signer=signer(1.8e9 - 59)).pack(text(0)))


def test_forged_time_locks_no_one_out() -> None:
    """A wrongly signed frame with a time far ahead changes nothing for its alleged sender, or for us."""
    ears = Ears()
    assert ears.hears(ears.vehicle.pack(text(0)))
    forged = bytearray(ears.vehicle.pack(text(1)))
    forged[-12:-6] = b"\xff" * 6
    assert not ears.hears(bytes(forged))
    assert ears.hears(ears.vehicle.pack(text(2)))
    ours = ears.codec.pack(text(3))
    assert int.from_bytes(ours[-12:-6], "little") < 2**47


def test_counted_only_where_believed() -> None:
    """Refused frames change neither what was received nor what was lost."""
    ears = Ears()
    for number in (0, 50, 100):
        unsigned = bytearray(Codec(system=1, component=1).pack(text(0)))
        unsigned[4] = number
        crc = dialect.x25crc(
            bytes(unsigned[1:-2]) + bytes([dialect.MAVLink_statustext_message.crc_extra])
        ).crc
        unsigned[-2:] = struct.pack("<H", crc)
        assert not ears.hears(bytes(unsigned))
    assert (ears.codec.counts.received, ears.codec.counts.lost) == (0, 0)


@pytest.mark.parametrize("seed", range(20))
def test_fuzz(seed: int) -> None:
    """Random bytes, and sound frames with turned, cut or doubled bytes, never raise."""
    rng = random.Random(seed)
    sender = Codec(system=1, component=1, signer=signer() if seed % 2 else None)
    codecs = [Codec(system=255, component=25), Codec(system=255, component=25, signer=signer())]
    for _ in range(150):
        frame = bytearray(sender.pack(anything(rng)))
        for _ in range(rng.randrange(3)):
            frame[rng.randrange(len(frame))] = rng.randrange(256)
        data = rng.choice((bytes(frame), bytes(frame[: rng.randrange(len(frame))]), rng.randbytes(40)))
        for codec in codecs:
            codec.feed(data)
            assert len(codec._buffer) <= 300
