"""The mission as ArduCopter runs it: one navigation item at a time, the DO items behind it on the way.

Circles (NAV_LOITER_TURNS) are flown to and not flown round; CONDITION items and DO items that move no
vehicle and fire no camera are accepted and pass.
"""

from collections import deque

from aerial.flight.mavlink import dialect
from aerial.records import MissionItem
from aerial.simulate.vehicle.camera import Camera
from aerial.simulate.vehicle.craft import INFO, Craft
from aerial.simulate.vehicle.manoeuvres import Hold, Land, Manoeuvre, Return, TakeOff, Wait
from aerial.simulate.vehicle.track import Point

WAYPOINT, LOITER, LOITER_TURNS, LOITER_TIME = 16, 17, 18, 19
RETURN, LAND, TAKEOFF, SPLINE, DELAY = 20, 21, 22, 82, 93
_LAST_NAV, _YAW, _JUMP, _SPEED, _SHOOT, _TRIGGER, _CAPTURE = 95, 115, 177, 178, 203, 206, 2000
_TO_A_PLACE = (WAYPOINT, LOITER, LOITER_TURNS, LOITER_TIME, SPLINE)
# DO items that MISSION_ITEM_REACHED tells of; those of the camera and the gimbal are never told.
_TOLD = (_YAW, _SPEED, 195, 201, 205)
_JUMPS = 64
_SPEEDS = {0: "WP_SPD", 1: "WP_SPD", 2: "WP_SPD_UP", 3: "WP_SPD_DN"}
_NAMES = {WAYPOINT: "WP", RETURN: "RTL", LAND: "Land", TAKEOFF: "Takeoff", _TRIGGER: "SetCamTrigDst",
          _SPEED: "ChangeSpeed", DELAY: "Delay", SPLINE: "SplineWP"}  # fmt: skip
NO_MISSION, NOT_STARTED, ACTIVE, PAUSED, COMPLETE = 1, 2, 3, 4, 5


class Mission:
    """Runs ``stored.mission``; it may be changed at any time: the item under way is finished first."""

    def __init__(self, craft: Craft, camera: Camera) -> None:
        self._craft, self._camera = craft, camera
        self.running = False
        self._index = 0
        self._item: MissionItem | None = None
        self._manoeuvre: Manoeuvre | None = None
        self._dos: deque[MissionItem] = deque()
        self._jumped: dict[int, int] = {}
        # The item that the leg after this one was made for.
        self._prepared: int | None = None
        self._reached: int | None = None

    # -- from outside ---------------------------------------------------------------------------------

    @property
    def empty(self) -> bool:
        """Tell whether there is nothing but home."""
        return len(self._craft.stored.mission) <= 1

    def needs_terrain(self) -> list[MissionItem]:
        """Return the items whose height is over terrain."""
        return [item for item in self._craft.stored.mission[1:] if self._craft.follows_terrain(item)]

    def start_or_resume(self) -> None:
        """Go on with the item that was under way; from the first, if there is none or MIS_RESTART is 1."""
        state = self._craft.state
        if state.mission_state == COMPLETE or not self._index or self._craft.p("MIS_RESTART"):
            self.reset()
        self._craft.track.brake(self._craft.limits())
        self.running = True
        state.mission_state = ACTIVE
        if self._item is None:
            self._go_on(max(self._index, 1))
        else:
            self._begin(self._item)

    def stop(self) -> None:
        """Another mode flies."""
        self.running, self._prepared = False, None
        if self._craft.state.mission_state == ACTIVE:
            self._craft.state.mission_state = PAUSED

    def reset(self) -> None:
        """Forget how far it came."""
        self._index, self._item, self._manoeuvre = 0, None, None
        self._dos.clear()
        self._jumped.clear()
        self._craft.state.current = 0
        if self._craft.state.mission_state != COMPLETE:
            self._craft.state.mission_state = NO_MISSION if self.empty else NOT_STARTED

    def changed(self) -> None:
        """Take note of a new mission."""
        self._craft.track.stop_at_end()
        self._prepared = None
        if not self._craft.state.armed:
            self._craft.state.mission_state = NOT_STARTED
            self.reset()
        elif self.running:
            self._prepare()

    def jump(self, seq: int) -> bool:
        """Fly item ``seq`` next; tell whether there is such an item."""
        if not 0 <= seq < len(self._craft.stored.mission):
            return False
        if self.running:
            self._craft.track.brake(self._craft.limits())
            self._prepared = None
            self._go_on(max(seq, 1))
        else:
            self._index, self._item = seq, None
            self._craft.state.current = seq
            self._craft.state.mission_state = NOT_STARTED
        return True

    # -- in the loop ----------------------------------------------------------------------------------

    def step(self, dt: float) -> None:
        """Fly on by ``dt``; tell of an item that was reached."""
        if self._dos:
            self._do(self._dos.popleft())
        if self._fly(dt) and self._item is not None:
            self._reached = self._index
            while self._dos:
                self._do(self._dos.popleft())
            self._go_on(self._index + 1)
        if self._reached is not None:
            # One place for the number: what follows in the same round overwrites it.
            self._craft.emit(dialect.MAVLink_mission_item_reached_message(self._reached))
            self._reached = None

    def _fly(self, dt: float) -> bool:
        craft = self._craft
        if self._manoeuvre is not None:
            return self._manoeuvre.step(dt)
        if craft.state.landed:
            # No take-off item: it sits there until it is disarmed.
            return False
        self._over_terrain(dt)
        if craft.track.advance(dt, craft.p("WP_RADIUS_M")):
            return True
        if not craft.track.finished or self._prepared is not None or self._item is None:
            return False
        return self._arrived(self._item)

    def _arrived(self, item: MissionItem) -> bool:
        """Stay at a waypoint as it asks; tell whether that is nothing."""
        end, state = self._craft.track.end, self._craft.state
        radius = self._craft.p("WP_RADIUS_M")
        if (state.east_m - end[0]) ** 2 + (state.north_m - end[1]) ** 2 > radius * radius:
            return False
        if item.command == LAND:
            self._manoeuvre = Land(self._craft)
        elif item.command == LOITER:
            self._manoeuvre = Hold(self._craft)
        elif item.command in (WAYPOINT, SPLINE, LOITER_TIME) and item.params[0] >= 1:
            self._manoeuvre = Wait(self._craft, item.params[0])
        else:
            return True
        return False

    def _over_terrain(self, dt: float) -> None:
        craft, track = self._craft, self._craft.track
        if self._item is None or not craft.follows_terrain(self._item):
            return
        limits = craft.limits()
        gap = craft.ground_up(track.x, track.y) - track.lift
        track.lift += max(-limits.down * dt, min(limits.up * dt, gap))

    # -- from item to item ----------------------------------------------------------------------------

    def _go_on(self, seq: int) -> None:
        """Begin the first navigation item from ``seq`` on and the DO items before it."""
        dos, found = self._ahead(seq, self._jumped)
        if found is None:
            for item in dos:
                self._do(item)
            self._complete()
            return
        # The first at once, the others one in each round.
        self._dos.extend(dos)
        self._index, self._item = found, self._craft.stored.mission[found]
        self._craft.state.current = found
        self._begin(self._item)
        if self._dos:
            self._do(self._dos.popleft())

    def _ahead(self, seq: int, jumped: dict[int, int]) -> tuple[list[MissionItem], int | None]:
        items, jumps = self._craft.stored.mission, 0
        dos: list[MissionItem] = []
        while seq < len(items):
            item = items[seq]
            if item.command <= _LAST_NAV:
                return dos, seq
            seq += 1
            if item.command == _JUMP:
                done, asked = jumped.get(item.seq, 0), int(item.params[1])
                jumps += 1
                if jumps > _JUMPS:
                    break
                if asked < 0 or done < asked:
                    jumped[item.seq] = done + 1
                    seq = int(item.params[0])
            else:
                dos.append(item)
        return dos, None

    def _begin(self, item: MissionItem) -> None:
        craft = self._craft
        self._log(item)
        self._manoeuvre = None
        if item.command == TAKEOFF:
            self._manoeuvre = TakeOff(craft, craft.up_of(item))
        elif item.command == RETURN:
            self._manoeuvre = Return(craft)
        elif item.command == DELAY:
            self._manoeuvre = Wait(craft, max(item.params[0], 0.0))
        elif item.command == LAND and not (item.params[4] or item.params[5]):
            self._manoeuvre = Land(craft)
        elif self._prepared != self._index and not craft.state.landed:
            if not craft.track.finished:
                craft.track.brake(craft.limits())
            self._over_or_level(item)
            craft.track.fly_to(self._place(item), craft.limits())
        self._prepared = None
        if self._manoeuvre is None:
            craft.face(*craft.track.course())
            self._prepare()

    def _prepare(self) -> None:
        """Make the next leg, if this waypoint is not one to stop at."""
        item, craft = self._item, self._craft
        if item is None or item.command not in (WAYPOINT, SPLINE) or item.params[0] >= 1:
            return
        _, found = self._ahead(self._index + 1, dict(self._jumped))
        if found is None or self._manoeuvre is not None or craft.state.landed:
            return
        after = craft.stored.mission[found]
        if after.command in _TO_A_PLACE and craft.follows_terrain(after) == craft.follows_terrain(item):
            self._prepared = found if craft.track.then(self._place(after), craft.limits()) else None

    def _over_or_level(self, item: MissionItem) -> None:
        """Count heights over terrain from here on, or over home."""
        craft, track = self._craft, self._craft.track
        lift = craft.ground_up(track.end[0], track.end[1]) if craft.follows_terrain(item) else 0.0
        if lift != track.lift:
            track.over(lift)

    def _place(self, item: MissionItem) -> Point:
        """Return where an item is; one without a position is where the vehicle is going anyway."""
        up = self._craft.up_of(item)
        if item.params[4] or item.params[5]:
            return (*self._craft.place.metres(item.params[4], item.params[5]), up)
        end = self._craft.track.end
        return end[0], end[1], up

    def _complete(self) -> None:
        self._craft.state.mission_state = COMPLETE
        self.reset()
        if self._craft.state.landed:
            self.running = False
        else:
            self._manoeuvre = Hold(self._craft)

    def _do(self, item: MissionItem) -> None:
        p, craft = item.params, self._craft
        self._log(item)
        if item.command == _SPEED and p[1] > 0 and int(p[0]) in _SPEEDS:
            craft.ask_speed(_SPEEDS[int(p[0])], p[1])
        elif item.command == _TRIGGER:
            self._camera.by_distance(p[0], p[2])
        elif (item.command == _SHOOT and p[4] == 1) or (item.command == _CAPTURE and p[2] == 1):
            self._camera.fire()
        elif item.command == _YAW:
            turn = p[0] if p[3] == 0 else craft.state.yaw_deg + (-p[0] if p[2] < 0 else p[0])
            craft.body.yaw_deg = turn % 360
        if item.command in _TOLD:
            self._reached = item.seq

    def _log(self, item: MissionItem) -> None:
        craft, p = self._craft, item.params
        lat, lon = (p[4], p[5]) if item.command in (*_TO_A_PLACE, LAND, TAKEOFF) else (0.0, 0.0)
        row = (len(craft.stored.mission), item.seq, item.command, *p[:4], lat, lon, p[6], item.frame)
        craft.journal.add("CMD", craft.state.time_s, *row)
        craft.say(INFO, f"Mission: {item.seq} {_NAMES.get(item.command, f'ID{item.command}')}")
