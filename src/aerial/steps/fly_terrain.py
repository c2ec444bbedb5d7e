"""A terrain model for a vehicle that asks for heights."""

from pathlib import Path

import numpy as np

from aerial import geo
from aerial.flight.terrain import Floats, TerrainServer
from aerial.plan.flown import bounds_of, frame_of
from aerial.plan.ground import read_surface
from aerial.records import Plan
from aerial.steps.fly_link import Vehicle

# A vehicle asks for whole blocks of 32 by 28 heights, 100 m apart as stock.
_AROUND_M = 3_500.0


def serve_terrain(vehicle: Vehicle, plan: Plan, dem: Path) -> TerrainServer:
    """Answer the vehicle's requests for terrain from ``dem``, as far as it reaches around the plan.

    Heights are those of the file's datum, which for ArduPilot should be mean sea level.

    Raises:
        InputError: the file is absent, broken, or far from the plan.
    """
    frame = frame_of(plan)
    x0, y0, x1, y1 = bounds_of(plan, frame)
    around = (x0 - _AROUND_M, y0 - _AROUND_M, x1 + _AROUND_M, y1 + _AROUND_M)
    ground = read_surface(dem, frame, around)

    def heights(lon_N: Floats, lat_N: Floats) -> Floats:
        return np.asarray(ground.at(np.column_stack(geo.transform(geo.WGS84, frame, lon_N, lat_N))), float)

    server = TerrainServer(heights, vehicle.peer)
    vehicle.station.listeners.append(server)
    return server
