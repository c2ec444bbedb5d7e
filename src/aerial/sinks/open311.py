"""The destination ``open311``: GeoReport v2 in JSON.

The protocol has no word for "once" and no external key: the key travels at the head of the
description (and in an attribute, where the service has one), and is looked for in the list of
requests, which answers at most 90 days and often 1000 rows at once.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aerial.codec import from_plain
from aerial.errors import DeliveryError, InputError
from aerial.records import Case, Receipt, SinkConfig, SiteResult, Stage
from aerial.records.record import record
from aerial.sinks.fieldmap import MARK, FieldMap, Template, held_key, holds_key
from aerial.sinks.readback import first_look, moment, oldest_first, outward, position, told
from aerial.sinks.sink import Ambiguous, Rejected
from aerial.sinks.web import Answer, Upload, Web

_LONGEST = 4000  # characters of a description, by the specification
_WINDOW = timedelta(days=89)
_SHORTEST = timedelta(seconds=2)
_MOST_PAGES = 1000
# A change gets its time before it can be seen: one that is committed late lies behind the newest.
_OVERLAP = timedelta(minutes=10)
_OURS = ("api_key", "service_code", "jurisdiction_id", "lat", "long", "description")
_DESCRIPTION = "{title} {kind_zh} {address} {community} {before_on}/{after_on} {area_m2} m2"


@record
class Open311Options:
    """The ``options`` of this kind.

    ``description``: a template. ``fields``: a field map of further parameters (``attribute[CODE]``,
    ``address_string``). ``key_attribute``: code of the service's attribute for foreign ids.
    ``look_back_days``: how old a request may be that is looked for. ``most_rows``: how many the peer
    lists at once. ``media_field``: name of the field for pictures where the peer takes files (``media``
    by convention). ``stages``: what the peer's ``status`` means.
    """

    service_code: str
    jurisdiction_id: str | None = None
    description: str = _DESCRIPTION
    fields: dict[str, Any] = field(default_factory=dict)
    key_attribute: str | None = None
    look_back_days: int = 90
    most_rows: int = 1000
    media_field: str | None = None
    stages: dict[str, Stage] = field(default_factory=lambda: {"open": "accept", "closed": "close"})


class Open311Sink:
    """An Open311 server; see ``CaseSink``. A repeated POST opens a second request there."""

    idempotent = False

    def __init__(self, config: SinkConfig, secret: str | None) -> None:
        self.name = config.name
        where = f"The destination {config.name!r}"
        self._options = options = from_plain(Open311Options, config.options, source=f"{where}: options")
        self._web = Web(config, secrets=[secret])
        self._secret = secret
        self._description = Template(options.description, where=f"{where}: description")
        self._fields = FieldMap(options.fields, where=f"{where}: fields") if options.fields else None
        if taken := sorted(set(options.fields) & set(_OURS)):
            raise InputError(
                f"{where}: fields cannot hold {', '.join(taken)}.",
                hint="These are filled by the case and the other options; remove them from fields.",
            )
        if not options.service_code.strip() or not 1 <= options.look_back_days <= 3660:
            raise InputError(
                f"{where}: service_code is empty, or look_back_days is not between 1 and 3660.",
                hint="Take a service_code from the peer's list of services.",
            )
        if not 1 < options.most_rows <= 100_000:
            raise InputError(
                f"{where}: most_rows = {options.most_rows} is not usable.", hint="Give 2 to 100000."
            )
        self._service_known = False

    def find(self, external_key: str) -> Receipt | None:
        """Return the oldest request that carries the key."""
        return next(iter(self.copies(external_key)), None)

    def copies(self, external_key: str) -> tuple[Receipt, ...]:
        """Return all requests of the service that carry the key, from the days looked back upon."""
        found = []
        for row, answer in self._rows():
            if holds_key(row.get("description"), external_key) or self._attribute(row) == external_key:
                if not isinstance(row.get("service_request_id"), str | int):
                    raise answer.nonsense("a request without service_request_id")
                found.append(
                    Receipt(
                        external_key=external_key,
                        remote_id=str(row["service_request_id"]),
                        at=position(self.name, row.get("long"), row.get("lat")),
                        stage=self._web.clean(str(row.get("status", ""))),
                        read_at=datetime.now(UTC),
                    )
                )
        return oldest_first(found)

    def send(self, case: Case, files: Sequence[Path]) -> None:
        """Post one request; the service is looked up before the first."""
        options = self._options
        self._require_service()
        form = self._fields.flat(case) if self._fields else {}
        # At the head: peers cut long descriptions.
        text = f"{MARK.format(external_key=case.external_key)} {self._description.text(case)}"
        form |= {
            "service_code": options.service_code,
            "lat": f"{case.at.lat_deg:.8f}",
            "long": f"{case.at.lon_deg:.8f}",
            "description": text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…",
        }
        if options.key_attribute:
            form[f"attribute[{options.key_attribute}]"] = case.external_key
        if options.jurisdiction_id:
            form["jurisdiction_id"] = options.jurisdiction_id
        if self._secret:
            form["api_key"] = self._secret
        uploads: tuple[Upload, ...] = ()
        if options.media_field:
            uploads = tuple((options.media_field, picture) for picture in outward(self.name, files))
        try:
            answer = self._web.ask("POST", "requests.json", writes=True, form=form, uploads=uploads)
        except Rejected as exc:
            if "duplicate" in str(exc).lower():
                raise Ambiguous(str(exc), hint="The peer seems to hold it: it is looked up.") from None
            raise
        told_back = answer.json()
        row = told_back[0] if isinstance(told_back, list) and told_back else told_back
        if not isinstance(row, Mapping) or not (row.get("service_request_id") or row.get("token")):
            raise answer.nonsense("neither service_request_id nor token")

    def results(self, cursor: str | None) -> tuple[Sequence[SiteResult], str | None]:
        """Return the changes of status of our requests since ``cursor``, from the days looked back upon."""
        since, seen = _read_cursor(cursor)
        found: list[tuple[datetime, SiteResult]] = []
        for row, answer in self._rows():
            key = self._attribute(row) or _marked(row.get("description"))
            status = str(row.get("status", ""))
            if key is None or (status == "open" and not row.get("updated_datetime")):
                continue
            try:
                at = moment(row.get("updated_datetime") or row.get("requested_datetime"), None)
            except (ValueError, OverflowError, OSError) as exc:
                raise answer.nonsense(f"a time: {exc}") from None
            act = f"{row.get('service_request_id')}/{status}/{at.isoformat()}"
            if at < since - _OVERLAP or act in seen:
                continue
            stage, odd = told(status, self._options.stages, "status")
            note = " ".join(text for text in (str(row.get("status_notes") or ""), odd) if text)
            found.append((at, SiteResult(id=act, external_key=key, at=at, stage=stage, note=note)))
        if not found:
            return (), cursor
        found.sort(key=lambda pair: pair[0])
        newest = found[-1][0]
        newest = max(newest, since)
        last = {act: at for act, at in seen.items() if at >= newest - _OVERLAP}
        last |= {result.id: at for at, result in found if at >= newest - _OVERLAP}
        told_acts = {act: at.isoformat() for act, at in sorted(last.items())}
        return [result for _, result in found], json.dumps([newest.isoformat(), told_acts])

    def _require_service(self) -> None:
        if self._service_known:
            return
        answer = first_look(lambda: self._web.ask("GET", "services.json", writes=False, query=self._query()))
        listed = answer.json()
        codes = (
            [str(row.get("service_code")) for row in listed if isinstance(row, Mapping)]
            if isinstance(listed, list)
            else []
        )
        if self._options.service_code not in codes:
            shown = self._web.clean(", ".join(codes)) or "none"
            raise Rejected(
                f"{self.name}: the peer has no service {self._options.service_code!r}.",
                hint=f"Use one of its services: {shown}.",
            )
        self._service_known = True

    def _query(self, **more: str) -> dict[str, str]:
        jurisdiction = self._options.jurisdiction_id
        return ({"jurisdiction_id": jurisdiction} if jurisdiction else {}) | more

    def _attribute(self, row: Mapping[str, Any]) -> str | None:
        """Return the foreign id in a row's attributes, a list of code and value or a table."""
        code = self._options.key_attribute
        if code is None:
            return None
        for name in ("attributes", "extended_attributes"):
            held = row.get(name)
            if isinstance(held, Mapping) and isinstance(held.get(code), str):
                return str(held[code])
            for pair in held if isinstance(held, list) else ():
                if isinstance(pair, Mapping) and pair.get("code") == code and pair.get("value"):
                    return str(pair["value"])
        return None

    def _rows(self) -> Iterator[tuple[Mapping[str, Any], Answer]]:
        end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)  # the peer's clock may be ahead
        first = end - timedelta(days=self._options.look_back_days + 1)
        seen: set[str] = set()
        while end > first:
            start = max(end - _WINDOW, first)
            for row, answer in self._window(start, end):
                name = str(row.get("service_request_id"))
                if name not in seen:
                    seen.add(name)
                    yield row, answer
            end = start

    def _window(self, start: datetime, end: datetime) -> Iterator[tuple[Mapping[str, Any], Answer]]:
        """Yield the rows of a time: page by page, and in halves where the peer cuts and does not page."""
        seen: set[str] = set()
        for page in range(1, _MOST_PAGES + 1):
            listed, answer = self._page(start, end, page)
            fresh = [row for row in listed if str(row.get("service_request_id")) not in seen]
            seen |= {str(row.get("service_request_id")) for row in fresh}
            for row in fresh:
                yield row, answer
            if not fresh:
                break
        # Nothing new on the second page: the peer does not page, unless that page was empty.
        if len(seen) < self._options.most_rows or page > 2 or not listed:
            return
        if end - start <= _SHORTEST:
            raise answer.nonsense(f"{len(seen)} requests within {_SHORTEST.seconds} s, and no pages")
        middle = start + (end - start) / 2
        for half in ((start, middle), (middle, end)):
            yield from self._window(*half)

    def _page(self, start: datetime, end: datetime, page: int) -> tuple[list[Mapping[str, Any]], Answer]:
        answer = self._web.ask(
            "GET",
            "requests.json",
            writes=False,
            query=self._query(
                service_code=self._options.service_code,
                start_date=f"{start:%Y-%m-%dT%H:%M:%SZ}",
                end_date=f"{end:%Y-%m-%dT%H:%M:%SZ}",
                page=str(page),
            ),
            allow=(404,),
        )
        if answer.status == 404 and page > 1:
            return [], answer  # past the last page
        listed = answer.json()
        if not isinstance(listed, list) or not all(isinstance(row, Mapping) for row in listed):
            raise answer.nonsense("no list of requests")
        if answer.status == 404:
            # Some servers say so when they found nothing, in the specification's words for errors.
            if all("code" in row or "description" in row for row in listed):
                return [], answer
            raise answer.nonsense("no list of requests")
        return listed, answer


def _marked(text: object) -> str | None:
    return held_key(text) if isinstance(text, str) and "[aerial:" in text else None


def _read_cursor(cursor: str | None) -> tuple[datetime, dict[str, datetime]]:
    if cursor is None:
        return datetime(1970, 1, 1, tzinfo=UTC), {}
    try:
        at, seen = json.loads(cursor)
        return datetime.fromisoformat(at), {act: datetime.fromisoformat(on) for act, on in seen.items()}
    except (ValueError, TypeError, AttributeError):
        raise _bad_cursor() from None


def _bad_cursor() -> DeliveryError:
    return Rejected("The cursor of an Open311 destination is not one.", hint="Pull from the beginning.")
