"""The sink ``roundup``: issues of a Roundup tracker (2.0 or newer), over its REST interface.

``url`` is the tracker's ``.../rest/data``, the secret the password of ``user``. An issue is made through a
one-time link (``@poe``), which Roundup honours once however often a request arrives. The link is kept for
the case until a look-up has decided, so that a repeated sending uses the same one.
"""

import base64
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aerial.codec import from_plain
from aerial.errors import InputError
from aerial.records import Case, Receipt, Result, SinkConfig, SiteResult, Stage
from aerial.records.record import record
from aerial.sinks.fieldmap import FieldMap, at_path
from aerial.sinks.readback import oldest_first, outward, position
from aerial.sinks.sink import Ambiguous, Busy, Rejected
from aerial.sinks.walk import BEGIN, Since
from aerial.sinks.web import Answer, Web, segment
from aerial.sinks.words import site_result

_KEPT_LINKS = 10_000
_FIELDS = {"title": "{title} {community}"}


@record
class RoundupOptions:
    """The options of a sink of the kind ``roundup``.

    ``key``, ``lon``, ``lat`` name properties of the class ``item``: a String and two Numbers that the
    tracker's schema has for the purpose. ``fields``: further properties over templates (docs/formats.md).
    ``files``: Multilink that takes photographs, None: none are sent. ``status``, ``result``, ``note``:
    properties that an officer sets; words are mapped by ``stages`` and ``site_results``.
    """

    user: str
    item: str = "issue"
    key: str = "external_key"
    lon: str = "lon"
    lat: str = "lat"
    fields: dict[str, Any] = field(default_factory=lambda: dict(_FIELDS))
    files: str | None = "files"
    status: str = "status"
    result: str | None = None
    note: str | None = None
    stages: dict[str, Stage] = field(default_factory=dict)
    site_results: dict[str, Result] = field(default_factory=dict)


class RoundupSink:
    """Issues of one tracker; see ``CaseSink``.

    Once-only holds for as long as the sink lives. Another process has another link, as has this one after a
    kill: so, as with every destination, a case is looked up after ``quiet_s`` before it is sent again.
    """

    idempotent = False

    def __init__(self, config: SinkConfig, secret: str | None) -> None:
        where = f"[[sinks]] {config.name}"
        self.name = config.name
        self._options = options = from_plain(RoundupOptions, config.options, source=where)
        self._fields = FieldMap(options.fields, where=f"{where}, fields")
        if not secret or ":" in options.user:
            raise InputError(
                f"The destination {config.name!r} has no usable login.",
                hint="Give options.user, and name the variable or file with its password as secret.",
            )
        login = base64.b64encode(f"{options.user}:{secret}".encode()).decode()
        self._web = Web(config, secrets=(secret, login))
        parts = urlsplit(config.url)
        # Roundup refuses a request that changes something without the two: its guard against forged forms.
        self._headers = {
            "Authorization": f"Basic {login}",
            "Origin": f"{parts.scheme}://{parts.netloc}",
            "X-Requested-With": "rest",
            "Accept": "application/json",
        }
        self._links: OrderedDict[str, str] = OrderedDict()
        self._spent: set[str] = set()
        self._files: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, external_key: str) -> Receipt | None:
        """Return the oldest issue with the key, or None."""
        found = self.copies(external_key)
        return found[0] if found else None

    def copies(self, external_key: str) -> tuple[Receipt, ...]:
        """Return every issue with the key, oldest first."""
        return oldest_first([self._receipt(row, external_key) for row in self._rows(external_key)])

    def send(self, case: Case, files: Sequence[Path]) -> None:
        """Make the issue through its one-time link, or bring the one that is there up to date."""
        key = case.external_key
        spent = key in self._spent
        there = self._rows(key)
        wanted = self._wanted(case)
        if there:
            self._update(there[0], wanted, case)
            return
        if spent:
            # Used before this look-up began, and nothing came of it: now another link may be asked for.
            with self._lock:
                self._spent.discard(key)
                self._links.pop(key, None)
        if self._options.files:
            wanted[self._options.files] = [self._upload(*each) for each in outward(self.name, files)]
        link = self._link(key)
        answer = self._ask(
            "POST", f"{self._class}/@poe/{segment(link)}", writes=True, json=wanted, allow=(400,)
        )
        if answer.status != 400:
            return
        said = self._web.clean(str(at_path(answer.json(), "error.msg") or ""))
        with self._lock:
            self._spent.add(key)
        if "POE token" in said:
            raise Ambiguous(
                f"{self.name}: the one-time link of {key} was used before.",
                hint="Nothing is to be done: the case is looked up before it is sent again.",
            )
        raise Rejected(
            f"{self.name}: HTTP 400: {said} (refused)",
            hint="Correct the options, or the tracker's schema, then revive the case.",
        )

    def results(self, cursor: str | None) -> tuple[Sequence[SiteResult], str | None]:
        """Return the stage and result of every issue with a key that was touched since ``cursor``."""
        since, found = Since(cursor), list[SiteResult]()
        for row in self._changed(since.begin):
            since.saw(_activity(row))
            # What nobody has touched since it was made is still as we sent it.
            if row.get(self._options.key) and row.get("activity") != row.get("creation"):
                found += since.only_new([self._told(row)], _activity(row))
        return tuple(found), since.text()

    @property
    def _class(self) -> str:
        return segment(self._options.item)

    def _ask(self, method: str, path: str, *, writes: bool, **more: Any) -> Answer:
        headers = self._headers | more.pop("headers", {})
        return self._web.ask(method, path, writes=writes, headers=headers, **more)

    def _list(self, query: dict[str, str]) -> list[dict[str, Any]]:
        answer = self._ask("GET", self._class, writes=False, query={"@verbose": "2"} | query)
        told = answer.json()
        rows = at_path(told, "data.collection")
        if at_path(told, "data.@total_size") == -1:
            raise Rejected(
                f"{self.name}: the tracker lists no more than {len(rows or ())} items.",
                hint="Raise max_response_row_size in the tracker's interfaces.py.",
            )
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise answer.nonsense("no list of items")
        return rows

    def _rows(self, external_key: str) -> list[dict[str, Any]]:
        options = self._options
        wanted = [options.key, options.lon, options.lat, options.status, *self._fields_alone()]
        # The colon asks for the whole value; without it a part would do.
        rows = self._list({f"{options.key}:": external_key, "@fields": ",".join(wanted), "@sort": "id"})
        mine = [row for row in rows if row.get(options.key) == external_key]
        if len(mine) < len(rows):
            raise Rejected(
                f"{self.name}: the tracker does not search by {options.key}.",
                hint="Roundup 2.0 or newer is needed, and the right to search that property.",
            )
        return sorted(mine, key=lambda row: int(row["id"]))

    def _fields_alone(self) -> list[str]:
        return [name for name in self._options.fields if name not in (self._options.files, "messages")]

    def _receipt(self, row: dict[str, Any], external_key: str) -> Receipt:
        options = self._options
        return Receipt(
            external_key=external_key,
            remote_id=str(row["id"]),
            at=position(self.name, row.get(options.lon), row.get(options.lat)),
            stage=_label(row.get(options.status)),
            read_at=datetime.now(UTC),
        )

    def _wanted(self, case: Case) -> dict[str, Any]:
        options = self._options
        # As text: Roundup reads every property from text, and a float is not read at all.
        return {
            **self._fields.flat(case),
            options.key: case.external_key,
            options.lon: f"{case.at.lon_deg:.9f}",
            options.lat: f"{case.at.lat_deg:.9f}",
        }

    def _update(self, row: dict[str, Any], wanted: dict[str, Any], case: Case) -> None:
        """Write what is not as we would send it now; an officer's change in between wins."""
        changed = {name: value for name, value in wanted.items() if not _same(row.get(name), value)}
        if not changed:
            return
        path = f"{self._class}/{segment(str(row['id']))}"
        tag = at_path(self._ask("GET", path, writes=False).json(), "data.@etag")
        if not isinstance(tag, str):
            raise Rejected(
                f"{self.name}: the tracker gives no ETag for {case.external_key}.",
                hint="Roundup 2.0 or newer is needed.",
            )
        answer = self._ask("PUT", path, writes=True, json=changed, headers={"If-Match": tag}, allow=(412,))
        if answer.status == 412:
            raise Busy(
                f"{self.name}: {case.external_key} was changed by somebody at the same moment.",
                hint="It is tried again.",
            )

    def _upload(self, name: str, content: bytes, media: str) -> str:
        """Return the id of the file at the tracker; what was uploaded once is not uploaded again."""
        known = (name, hashlib.sha256(content).hexdigest())
        with self._lock:
            if known in self._files:
                return self._files[known]
        answer = self._ask(
            "POST",
            "file",
            writes=True,
            form={"name": name, "type": media},
            uploads=[("content", (name, content, media))],
        )
        made = at_path(answer.json(), "data.id")
        if not isinstance(made, str | int):
            raise answer.nonsense("no id of the file")
        with self._lock:
            self._files[known] = str(made)
            while len(self._files) > _KEPT_LINKS:
                self._files.popitem(last=False)
        return str(made)

    def _link(self, external_key: str) -> str:
        """Return the one-time link of the case: the one it has, else a new one.

        Only the token of it is used: the address is the tracker's idea of its own, not the one configured.
        """
        with self._lock:
            if external_key in self._links:
                return self._links[external_key]
        # That a link was made stores no case: a broken answer is no reason to look anything up.
        answer = self._ask("POST", f"{self._class}/@poe", writes=False, json={})
        token = str(at_path(answer.json(), "data.link") or "").rpartition("/")[2]
        if not token:
            raise answer.nonsense("no one-time link")
        with self._lock:
            # Of two threads that asked at once, both use the first one's.
            token = self._links.setdefault(external_key, token)
            while len(self._links) > _KEPT_LINKS:
                self._spent.discard(self._links.popitem(last=False)[0])
        return token

    def _changed(self, at: datetime) -> list[dict[str, Any]]:
        options = self._options
        wanted = [options.key, options.status, "activity", "creation", "actor", options.result, options.note]
        query = {
            "activity": at.strftime("%Y-%m-%d.%H:%M:%S;"),
            "@fields": ",".join(name for name in wanted if name),
            "@sort": "activity,id",
        }
        return self._list(query)

    def _told(self, row: dict[str, Any]) -> SiteResult:
        options = self._options
        stage = _label(row.get(options.status))
        result = _label(row.get(options.result)) if options.result else ""
        return site_result(
            f"{row['id']}:{row['activity']}:{stage}:{result}",
            str(row[options.key]),
            _activity(row),
            stages=options.stages,
            results=options.site_results,
            stage=stage,
            result=result,
            by=_label(row.get("actor")),
            note=_label(row.get(options.note)) if options.note else None,
        )


def _label(value: Any) -> str:
    """Return a property as text: of a link what it is called."""
    if isinstance(value, dict):
        names = [str(text) for key, text in value.items() if key not in ("id", "link")]
        return names[0] if names else str(value.get("id", ""))
    return "" if value is None else str(value)


def _same(held: Any, wanted: Any) -> bool:
    if isinstance(held, int | float) and not isinstance(held, bool):
        try:
            return abs(float(wanted) - held) < 1e-9
        except ValueError:
            return False
    return _label(held) == str(wanted) or (isinstance(held, dict) and str(held.get("id")) == str(wanted))


def _activity(row: dict[str, Any]) -> datetime:
    return _moment(str(row.get("activity", "")))


def _moment(text: str) -> datetime:
    """Return a time of Roundup (``2026-05-15.09:30:00``, UTC) or of a cursor; of nonsense the beginning."""
    try:
        found = datetime.fromisoformat(text.replace(".", "T", 1) if text[10:11] == "." else text)
    except ValueError:
        return BEGIN
    return found if found.tzinfo else found.replace(tzinfo=UTC)
