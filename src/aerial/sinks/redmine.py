"""The sink ``redmine``: issues of a Redmine project, over its REST interface.

``url`` is Redmine's root, the secret an API key. The key and the position lie in custom fields; that of the
key must be "used as a filter". Redmine makes a second issue of a repeated request: the worker looks up first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aerial.codec import from_plain
from aerial.errors import InputError
from aerial.records import Case, Receipt, Result, SinkConfig, SiteResult, Stage
from aerial.records.record import record
from aerial.sinks.fieldmap import FieldMap, at_path
from aerial.sinks.readback import outward, position
from aerial.sinks.sink import Rejected
from aerial.sinks.walk import BEGIN, Since, changed_since
from aerial.sinks.web import Answer, Web
from aerial.sinks.words import site_result

_PAGE = 100  # Redmine's own limit
_FIELDS = {"subject": "{title} {community}", "description": "{kind_zh} {address}"}


@record
class RedmineOptions:
    """The options of a sink of the kind ``redmine``.

    ``project``: identifier, or number as text; ``tracker``, ``priority``: numbers, None: Redmine's default.
    ``key_field``, ``lon_field``, ``lat_field``: numbers of custom fields of issues; ``result_field``: the one
    in which an officer says what was found on site. ``fields``: an issue's attributes over templates,
    ``custom_fields``: numbers of further ones over templates (docs/formats.md). ``stages`` maps names
    of statuses, ``site_results`` values of ``result_field``. ``files``: photographs are sent.
    """

    project: str
    key_field: int
    lon_field: int
    lat_field: int
    tracker: int | None = None
    priority: int | None = None
    result_field: int | None = None
    files: bool = True
    fields: dict[str, Any] = field(default_factory=lambda: dict(_FIELDS))
    custom_fields: dict[str, Any] = field(default_factory=dict)
    stages: dict[str, Stage] = field(default_factory=dict)
    site_results: dict[str, Result] = field(default_factory=dict)


class RedmineSink:
    """Issues of one project; see ``CaseSink``."""

    idempotent = False

    def __init__(self, config: SinkConfig, secret: str | None) -> None:
        where = f"[[sinks]] {config.name}"
        self.name = config.name
        self._options = options = from_plain(RedmineOptions, config.options, source=where)
        self._fields = FieldMap(options.fields, where=f"{where}, fields")
        own = {str(number) for number in (options.key_field, options.lon_field, options.lat_field)}
        for number in options.custom_fields:
            if not (number.isascii() and number.isdigit()) or number in own:
                raise InputError(
                    f"{where}: custom_fields has {number!r}, which is not the number of a further field.",
                    hint="Write numbers, without those of key_field, lon_field and lat_field.",
                )
        custom = options.custom_fields
        self._custom = FieldMap(custom, where=f"{where}, custom_fields") if custom else None
        if not secret:
            raise InputError(
                f"The destination {config.name!r} has no API key.",
                hint="Name the environment variable or file that holds it as secret.",
            )
        self._web = Web(config, secrets=(secret,))
        self._headers = {"X-Redmine-API-Key": secret}

    def find(self, external_key: str) -> Receipt | None:
        """Return the oldest issue with the key, open or closed, or None."""
        found = self.copies(external_key)
        return found[0] if found else None

    def copies(self, external_key: str) -> tuple[Receipt, ...]:
        """Return every issue with the key in any project, oldest first."""
        key_field = self._options.key_field
        query = {f"cf_{key_field}": f"={external_key}", "sort": "id:asc"}
        rows = self._list(query)
        # A field that is not a filter is ignored: then these are just any issues.
        if any(_custom(row, key_field) != external_key for row in rows):
            raise Rejected(
                f"{self.name}: Redmine does not search by the custom field {key_field}.",
                hint='Switch "used as a filter" and "for all projects" on for it, and let the user see it.',
            )
        return tuple(self._receipt(row, external_key) for row in rows)

    def send(self, case: Case, files: Sequence[Path]) -> None:
        """Make an issue with its photographs; what already lies there is not looked at."""
        options = self._options
        own = {
            options.key_field: case.external_key,
            options.lon_field: f"{case.at.lon_deg:.9f}",
            options.lat_field: f"{case.at.lat_deg:.9f}",
        }
        custom: dict[int, Any] = {
            int(number): value for number, value in (self._custom.flat(case) if self._custom else {}).items()
        }
        issue: dict[str, Any] = self._fields.nested(case) | {
            "project_id": options.project,
            "custom_fields": [{"id": number, "value": value} for number, value in (custom | own).items()],
        }
        for name, number in (("tracker_id", options.tracker), ("priority_id", options.priority)):
            issue |= {name: number} if number is not None else {}
        if options.files and files:
            issue["uploads"] = [self._upload(*each) for each in outward(self.name, files)]
        answer = self._ask("POST", "issues.json", writes=True, json={"issue": issue})
        made = at_path(answer.json(), "issue")
        if not isinstance(made, dict) or not isinstance(made.get("id"), int):
            raise answer.nonsense("no number of the issue")

    def results(self, cursor: str | None) -> tuple[Sequence[SiteResult], str | None]:
        """Return every change of a status or result since ``cursor``, from the journals of the issues."""
        since, found = Since(cursor), list[SiteResult]()
        statuses: dict[str, str] | None = None
        for row in changed_since(self._changed, _updated, since.begin, _PAGE):
            since.saw(_updated(row))
            if not _custom(row, self._options.key_field) or row.get("updated_on") == row.get("created_on"):
                continue
            statuses = statuses or self._statuses()
            found += since.only_new(list(self._told(int(row["id"]), statuses)), _updated(row))
        return tuple(found), since.text()

    def _ask(self, method: str, path: str, *, writes: bool, **more: Any) -> Answer:
        headers = self._headers | more.pop("headers", {})
        return self._web.ask(method, path, writes=writes, headers=headers, **more)

    def _list(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        answer = self._ask(
            "GET", "issues.json", writes=False, query={"status_id": "*", "limit": str(_PAGE)} | dict(query)
        )
        rows = at_path(answer.json(), "issues")
        if not isinstance(rows, list) or not all(
            isinstance(row, dict) and isinstance(row.get("id"), int) for row in rows
        ):
            raise answer.nonsense("no list of issues")
        return rows

    def _receipt(self, row: dict[str, Any], external_key: str) -> Receipt:
        options = self._options
        at = position(self.name, _custom(row, options.lon_field), _custom(row, options.lat_field))
        return Receipt(
            external_key=external_key,
            remote_id=str(row["id"]),
            at=at,
            stage=str(at_path(row, "status.name") or ""),
            read_at=datetime.now(UTC),
        )

    def _upload(self, name: str, content: bytes, media: str) -> dict[str, str]:
        # An upload without an issue is thrown away by Redmine: nothing to look up when it breaks.
        answer = self._ask(
            "POST",
            "uploads.json",
            writes=False,
            query={"filename": name},
            headers={"Content-Type": "application/octet-stream"},
            content=content,
        )
        token = at_path(answer.json(), "upload.token")
        if not isinstance(token, str):
            raise answer.nonsense("no token of the upload")
        return {"token": token, "filename": name, "content_type": media}

    def _statuses(self) -> dict[str, str]:
        rows = at_path(self._ask("GET", "issue_statuses.json", writes=False).json(), "issue_statuses")
        found = rows if isinstance(rows, list) else []
        return {str(row["id"]): str(row.get("name", "")) for row in found if isinstance(row, dict)}

    def _changed(self, at: datetime, offset: int) -> list[dict[str, Any]]:
        since = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        query = {f"cf_{self._options.key_field}": "*", "updated_on": f">={since}"}
        return self._list(query | {"sort": "updated_on:asc,id:asc", "offset": str(offset)})

    def _told(self, number: int, statuses: Mapping[str, str]) -> Iterator[SiteResult]:
        """Yield the acts of an issue's journal, and its status where none of them explains it."""
        options = self._options
        answer = self._ask(
            "GET", f"issues/{number}.json", writes=False, query={"include": "journals"}, allow=(404,)
        )
        if answer.status == 404:  # deleted since it was listed
            return
        issue = at_path(answer.json(), "issue")
        if not isinstance(issue, dict):
            raise answer.nonsense("no issue")
        key, last = _custom(issue, options.key_field), None

        def told(act: str, at: object, **words: str | None) -> SiteResult:
            return site_result(
                act,
                key,
                _moment(str(at)),
                stages=options.stages,
                results=options.site_results,
                **words,
            )

        for act in issue.get("journals") or ():
            new = {
                (str(detail.get("property")), str(detail.get("name"))): str(detail.get("new_value") or "")
                for detail in act.get("details") or ()
            }
            status = new.get(("attr", "status_id"))
            result = new.get(("cf", str(options.result_field)))
            last = status or last
            if status or result:
                yield told(
                    f"journal:{act.get('id')}",
                    act.get("created_on"),
                    stage=statuses.get(status, status) if status else None,
                    result=result,
                    by=str(at_path(act, "user.name") or ""),
                    note=str(act.get("notes") or ""),
                )
        held = str(at_path(issue, "status.id"))
        if held != last:
            # Set past the journal: by a workflow, a plug-in, or in the database.
            yield told(
                f"status:{number}:{held}:{issue.get('updated_on')}",
                issue.get("updated_on"),
                stage=str(at_path(issue, "status.name") or ""),
            )


def _custom(row: Mapping[str, Any], number: int) -> str:
    fields = row.get("custom_fields") or ()
    return next((str(one.get("value") or "") for one in fields if one.get("id") == number), "")


def _updated(row: Mapping[str, Any]) -> datetime:
    return _moment(str(row.get("updated_on", "")))


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return BEGIN
    return found if found.tzinfo else found.replace(tzinfo=UTC)
