"""Terrain heights for a vehicle: the right tile, the right order, and nothing that is not known."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.flight.test_command import VEHICLE, heard

from aerial.flight.mavlink import Message, dialect
from aerial.flight.terrain import TerrainServer

LAT, LON, SPACING_M = 228_000_000, 1_138_000_000, 100
ALL = 2**56 - 1
# ArduPilot's metres of 1e-7 degrees.
_UNIT_M = 0.011131884502145034


def sloped(lon_N: NDArray[np.float64], lat_N: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a plane of heights that tells apart each row and each column."""
    return np.asarray(1000 * 100 * (lat_N - 22.8) + 100 * (lon_N - 113.8) * 100)


def request(
    mask: int = ALL, lat: int = LAT, lon: int = LON, spacing: int = SPACING_M, system: int = 1
) -> Message:
    """Return a request as it is heard."""
    return heard(dialect.MAVLink_terrain_request_message(lat, lon, spacing, mask), system)


def answers(server: TerrainServer, ticks: int = 40) -> list[Message]:
    """Return all that is served."""
    return [message for number in range(ticks) for message in server.tick(number * 0.05)]


def test_tiles() -> None:
    """Each of the 56 tiles carries the heights of its own 16 places, rows northward, eastward in a row."""
    server = TerrainServer(sloped, VEHICLE)
    server.hear(request(), 0.0)
    told = answers(server)
    assert [message.gridbit for message in told] == list(range(56))
    for message in told:
        assert (message.lat, message.lon, message.grid_spacing) == (LAT, LON, SPACING_M)
        # Seven rows of eight tiles; four rows of four heights in each.
        tile_north, tile_east = message.gridbit // 8, message.gridbit % 8
        for north in range(4):
            for east in range(4):
                up_m, right_m = (tile_north * 4 + north) * SPACING_M, (tile_east * 4 + east) * SPACING_M
                lat = LAT + up_m / _UNIT_M
                lon = LON + right_m / _UNIT_M / math.cos(math.radians(LAT / 1e7))
                height = sloped(np.array([lon / 1e7]), np.array([lat / 1e7]))[0]
                # Plus a metre: the plane rises by 90 m and 10 m from one place to the next.
                assert message.data[north * 4 + east] == pytest.approx(height, abs=1.0)


def test_asked_tiles_alone() -> None:
    """Only tiles whose bit is set are served, a few at a time."""
    server = TerrainServer(sloped, VEHICLE)
    wanted = [0, 3, 8, 31, 32, 33, 54, 55]
    server.hear(request(sum(1 << bit for bit in wanted)), 0.0)
    first = server.tick(0.0)
    assert len(first) <= 4
    assert [message.gridbit for message in [*first, *answers(server)]] == wanted
    assert server.served == len(wanted)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 40_000.0, -32_768.0])
def test_unknown_heights(bad: float) -> None:
    """A tile with a place whose height is not known, or is none of this Earth, is not served."""
    server = TerrainServer(lambda lon_N, _: np.where(lon_N > 113.8 + 0.0127, bad, 12.0), VEHICLE)
    server.hear(request(), 0.0)
    # 0.0127 degrees are 1306 m: the tile from 1200 m on has heights beyond.
    assert {message.gridbit % 8 for message in answers(server)} == {0, 1, 2}
    assert (server.served, server.refused) == (21, 35)


@pytest.mark.parametrize(
    ("lat", "lon"), [(899_990_000, LON), (-900_000_001, LON), (LAT, 1_799_990_000), (2**31 - 1, -(2**31))]
)
def test_beyond_the_edges(lat: int, lon: int) -> None:
    """Tiles beyond the pole or the date line are not served."""
    server = TerrainServer(lambda lon_N, _: np.zeros(lon_N.shape), VEHICLE)
    server.hear(request(lat=lat, lon=lon), 0.0)
    assert len(answers(server)) < 56
    assert server.refused


def test_others_are_not_served() -> None:
    """A request of another vehicle is not answered."""
    server = TerrainServer(sloped, VEHICLE)
    server.hear(request(system=2), 0.0)
    assert not answers(server)


def test_new_request() -> None:
    """A new request replaces what was left of the one before."""
    server = TerrainServer(sloped, VEHICLE)
    server.hear(request(), 0.0)
    server.tick(0.0)
    server.hear(request(1 << 40, lat=LAT + 1000), 0.0)
    assert [(message.gridbit, message.lat) for message in answers(server)] == [(40, LAT + 1000)]
