"""Random valid messages of every kind: fields hold anything that their types can."""

import math
import random
from typing import Any

from aerial.flight.mavlink import Message, dialect

KINDS: tuple[Any, ...] = tuple(dialect.mavlink_map[number] for number in sorted(dialect.mavlink_map))
_FLOATS = (math.nan, math.inf, -math.inf, 0.0, -1.0, 3e38, -3e38, 1e-45, 90.0, 22.8)


def anything(rng: random.Random, kind: Any = None) -> Message:
    """Return a message of ``kind``, or of any."""
    kind = kind or rng.choice(KINDS)
    return kind(
        *(
            _field(rng, name, kind.array_lengths[kind.ordered_fieldnames.index(field)])
            for field, name in zip(kind.fieldnames, kind.fieldtypes, strict=True)
        )
    )


def _field(rng: random.Random, name: str, count: int) -> Any:
    if name == "char":
        return rng.choice((rng.randbytes(count or 1), b"PreArm: text"[: count or 1]))
    return [_one(rng, name) for _ in range(count)] if count else _one(rng, name)


def _one(rng: random.Random, name: str) -> float | int:
    if name in ("float", "double"):
        return rng.choice((*_FLOATS, rng.uniform(-200.0, 200.0)))
    bits = int("".join(letter for letter in name if letter.isdigit()))
    low, high = (0, 2**bits - 1) if name.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return rng.choice((low, high, 0, 1, rng.randint(low, high), rng.randint(0, min(high, 200))))
