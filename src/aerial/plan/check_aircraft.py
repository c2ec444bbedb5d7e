"""A plan against what its camera, battery and autopilot can do."""

from aerial.autopilots.found import found
from aerial.records.aircraft import Aircraft, CameraProfile
from aerial.records.finding import Finding
from aerial.records.plan import Plan

# ArduCopter in simulation took 650 items with home and 69 vertices of one polygon; PX4's header has 128.
MOST_ITEMS = {"ardupilot": 650}
MOST_VERTICES = {"ardupilot": 69, "px4": 128}


def check_aircraft(plan: Plan, aircraft: Aircraft, camera: CameraProfile) -> list[Finding]:
    """Return findings on the camera's interval, the battery and the wind."""
    findings = []
    for sortie in plan.sorties:
        every_s = photo_every_s(plan, sortie.number)
        # A tenth of a millimetre of trigger distance is no camera's business.
        if every_s is not None and every_s < camera.min_trigger_interval_s - 1e-5:
            findings.append(
                found(
                    "fail",
                    "trigger_interval",
                    f"Sortie {sortie.number} asks for a photograph every {every_s:.2f} s; {camera.name} "
                    f"takes {camera.min_trigger_interval_s:.2f} s.",
                    "Fly slower: at most "
                    f"{every_s * sortie.speed_m_s / camera.min_trigger_interval_s:.1f} m/s.",
                )
            )
        if sortie.battery_share > 1 - plan.parameters.reserve + 1e-9:
            findings.append(
                found(
                    "fail",
                    "endurance",
                    f"Sortie {sortie.number} needs {sortie.battery_share:.0%} of the battery; "
                    f"{1 - plan.parameters.reserve:.0%} may be used.",
                    "Split it, or take off nearer to the lines.",
                )
            )
    wind = plan.parameters.wind
    if wind and wind.speed_m_s > aircraft.max_wind_m_s:
        findings.append(
            found(
                "fail",
                "wind",
                f"A wind of {wind.speed_m_s:.1f} m/s is above the {aircraft.max_wind_m_s:.1f} m/s that "
                f"{aircraft.name} bears.",
                "Wait for less wind.",
            )
        )
    if not findings:
        most = max(sortie.battery_share for sortie in plan.sorties)
        findings.append(found("pass", "endurance", f"A sortie needs at most {most:.0%} of the battery."))
    return findings


def check_storage(plan: Plan, aircraft: Aircraft) -> list[Finding]:
    """Return warnings of missions and fences that an autopilot may not hold."""
    findings = []
    most_items = MOST_ITEMS.get(aircraft.autopilot)
    items = {sortie.number: _items(plan, sortie.number) for sortie in plan.sorties}
    number = max(items, key=lambda n: items[n])
    if most_items and items[number] > most_items:
        findings.append(
            found(
                "warn",
                "item_count",
                f"Sortie {number} needs about {items[number]} mission items; it may hold {most_items}.",
                "Store missions on the SD card (BRD_SD_MISSION), or split the sortie.",
            )
        )
    vertices = sum(
        len(ring.coords) - 1
        for part in (*plan.fence, *plan.no_fly)
        for ring in (part.exterior, *part.interiors)
    )
    most_vertices = MOST_VERTICES.get(aircraft.autopilot)
    if most_vertices and vertices > most_vertices:
        findings.append(
            found(
                "warn",
                "fence_vertices",
                f"Fence and no-fly zones have {vertices} corners; the autopilot holds {most_vertices}.",
                "aerial fly upload simplifies them outward; for another ground station draw fewer.",
            )
        )
    return findings


def _items(plan: Plan, number: int) -> int:
    """Return about how many mission items a sortie is: corners, camera on and off, and five around."""
    (sortie,) = (sortie for sortie in plan.sorties if sortie.number == number)
    corners = sum(len(leg.path) - 1 for leg in sortie.legs) + 1
    return corners + 2 * sum(leg.trigger_distance_m is not None for leg in sortie.legs) + 5


def photo_every_s(plan: Plan, number: int) -> float | None:
    """Return the shortest time between photographs of a sortie; None without photographs."""
    (sortie,) = (sortie for sortie in plan.sorties if sortie.number == number)
    triggers = [leg.trigger_distance_m for leg in sortie.legs if leg.trigger_distance_m is not None]
    return min(triggers) / sortie.speed_m_s if triggers else None
