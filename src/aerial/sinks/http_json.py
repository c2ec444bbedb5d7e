"""The destination ``http``: a city's own REST interface, described by configuration.

Such interfaces answer HTTP 200 with an error code inside, return no id, and store a second case when
the same one comes twice: what counts is the case found again by its key.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from aerial.codec import from_plain
from aerial.errors import DeliveryError, InputError
from aerial.records import Case, Receipt, Result, SinkConfig, SiteResult, Stage
from aerial.records.record import record
from aerial.sinks.fieldmap import FieldMap, Template, as_text, at_path, held_key, holds_key
from aerial.sinks.readback import first_look, moment, oldest_first, outward, position, told
from aerial.sinks.sink import Ambiguous, Busy, Rejected
from aerial.sinks.web import Answer, Upload, Web, segment

_MOST_PAGES = 100
_ABSENT: Any = object()


@record
class FindOptions:
    """How a case is found by its key: ``path`` and ``query`` are templates over ``{external_key}``.

    ``items``: path of the list in the answer. ``key``, ``id``, ``lon``, ``lat``, ``stage``: paths within
    one item; the key's field holds the key itself, or a text with ``[aerial:<key>]`` in it.
    ``none_values``: business codes by which the peer says that it found nothing.
    """

    path: str
    key: str
    id: str
    lon: str
    lat: str
    query: dict[str, str] = field(default_factory=dict)
    items: str = ""
    stage: str = ""
    none_values: tuple[Any, ...] = ()


@record
class FileOptions:
    """How pictures go: in ``field`` as base64, as multipart files, or uploaded first to ``path``.

    ``token``: path of the uploaded file's token or address in the answer. ``joined``: what stands
    between several in one text; without it JSON takes a list.
    """

    style: Literal["base64", "multipart", "upload"]
    field: str
    path: str = ""
    token: str = ""
    part: str = "file"
    joined: str | None = None


@record
class ResultOptions:
    """Where on-site results are: ``query`` templates over ``{cursor}``, paths within the answer and an item.

    ``stages`` and ``results`` translate the peer's words. ``first``: the cursor of the beginning.
    """

    path: str
    items: str
    cursor: str
    id: str
    key: str
    at: str
    query: dict[str, str] = field(default_factory=dict)
    stage: str = ""
    stages: dict[str, Stage] = field(default_factory=dict)
    result: str = ""
    results: dict[str, Result] = field(default_factory=dict)
    by: str = ""
    note: str = ""
    first: str = ""
    utc_offset_h: float | None = None


@record
class HttpOptions:
    """The ``options`` of this kind; ``fields`` is a field map (sinks/fieldmap.py).

    ``secret_in``: ``bearer``, ``header NAME``, ``query NAME`` or ``field NAME``. ``ok``: path of the
    business code in every answer, ``ok_values`` what it is when all is well.
    """

    fields: dict[str, Any]
    find: FindOptions
    path: str = ""
    body: Literal["json", "form"] = "json"
    secret_in: str | None = None
    ok: str = ""
    ok_values: tuple[Any, ...] = ()
    message: str = "msg"
    files: FileOptions | None = None
    results: ResultOptions | None = None


class HttpJsonSink:
    """A city's REST interface; see ``CaseSink``. Never idempotent: nothing of the kind is promised there."""

    idempotent = False

    def __init__(self, config: SinkConfig, secret: str | None) -> None:
        self.name = config.name
        where = f"The destination {config.name!r}"
        self._options = options = from_plain(HttpOptions, config.options, source=f"{where}: options")
        self._web = Web(config, secrets=[secret])
        self._fields = FieldMap(options.fields, where=f"{where}: fields")
        self._secret = _placed(options.secret_in, secret, options.fields, where)
        self._find_path = Template(options.find.path, where=f"{where}: find.path", extra=_KEY, case=False)
        self._find_query = _templates(options.find.query, f"{where}: find.query", _KEY)
        asked = self._find_path.names.union(*(template.names for template in self._find_query.values()))
        if "external_key" not in asked or "external_key" not in self._fields.names:
            raise InputError(
                f"{where}: the external key does not go out with a case, or is not asked for by find.",
                hint="Write {external_key} into one of the fields (for a free text: [aerial:{external_key}]) "
                "and into find.path or find.query; without it no delivery can be proved.",
            )
        self._result_query = _templates(
            options.results.query if options.results else {}, f"{where}: results.query", ("cursor",)
        )
        _check_files(options, where)
        self._look_up_works = False

    def find(self, external_key: str) -> Receipt | None:
        """Return what the peer lists under the key, the oldest."""
        return next(iter(self.copies(external_key)), None)

    def copies(self, external_key: str) -> tuple[Receipt, ...]:
        """Return everything that the peer lists under the key."""
        options = self._options.find
        # Only with the key in the path is a 404 an answer: a mistyped address is not "not there".
        one = bool(self._find_path.names)
        path = self._path_of(external_key)
        query = {
            name: as_text(template.value({"external_key": external_key}))
            for name, template in self._find_query.items()
        }
        answer = self._ask("GET", path, writes=False, query=query, allow=(404,) if one else ())
        if answer.status == 404:
            return ()
        data = self._business(answer, options.none_values)
        if data is _ABSENT:
            return ()
        items = at_path(data, options.items, _ABSENT)
        if items is _ABSENT:
            raise answer.nonsense(f"no list at {options.items!r}")
        items = [items] if isinstance(items, Mapping) else items or []
        if not isinstance(items, list):
            raise answer.nonsense(f"no list at {options.items!r}")
        found = []
        for item in items:
            held = at_path(item, options.key)
            if external_key not in str(held):
                # The rest of such a list may lie on a page that was not asked for.
                raise answer.nonsense(
                    f"items without {external_key} at {options.key!r}: find does not filter"
                )
            if holds_key(held, external_key):
                found.append(self._receipt(external_key, item, answer))
        return oldest_first(found)

    def send(self, case: Case, files: Sequence[Path]) -> None:
        """Upload the pictures first where the peer wants that, then store the case in one request."""
        # What cannot be looked up is not sent.
        self._path_of(case.external_key)
        if not self._look_up_works:
            first_look(lambda: self.copies(case.external_key))
            self._look_up_works = True
        options, pictures = self._options, outward(self.name, files) if self._options.files else ()
        tree = self._fields.nested(case) if options.body == "json" else {}
        form = self._fields.flat(case) if options.body == "form" else {}
        uploads: tuple[Upload, ...] = ()
        if options.files and pictures:
            if options.files.style == "multipart":
                uploads = tuple((options.files.field, picture) for picture in pictures)
            else:
                _put(tree, form, options.files, self._texts(options.files, pictures))
        answer = self._ask(
            "POST",
            options.path,
            writes=True,
            json=tree if options.body == "json" else None,
            form=form if options.body == "form" else None,
            uploads=uploads,
        )
        self._business(answer)

    def results(self, cursor: str | None) -> tuple[Sequence[SiteResult], str | None]:
        """Return what the peer lists since ``cursor``, page by page."""
        options = self._options.results
        if options is None:
            return (), cursor
        found: list[SiteResult] = []
        for _ in range(_MOST_PAGES):
            values = {"cursor": options.first if cursor is None else cursor}
            query = {name: as_text(template.value(values)) for name, template in self._result_query.items()}
            answer = self._ask("GET", options.path, writes=False, query=query)
            data = self._business(answer)
            items, after = at_path(data, options.items, _ABSENT), at_path(data, options.cursor)
            if not isinstance(items, list | None):
                raise answer.nonsense(f"no list at {options.items!r}")
            found += [
                result for item in items or () if (result := self._result(options, item, answer)) is not None
            ]
            if not items or after is None or str(after) == cursor:
                return found, cursor if after is None else str(after)
            cursor = str(after)
        return found, cursor

    def _path_of(self, external_key: str) -> str:
        if not self._find_path.names:
            return as_text(self._find_path.value({}))
        return as_text(self._find_path.value({"external_key": segment(external_key)}))

    def _ask(self, method: str, path: str, *, writes: bool, **parts: Any) -> Answer:
        place, name, secret = self._secret
        if place == "header":
            parts["headers"] = {name: secret}
        elif place == "query":
            parts["query"] = {**(parts.get("query") or {}), name: secret}
        elif place == "field":
            # A read has no body: there the field is asked for as part of the query.
            kind = next((kind for kind in ("json", "form") if parts.get(kind) is not None), "query")
            parts[kind] = {**(parts.get(kind) or {}), name: secret}
        return self._web.ask(method, path, writes=writes, **parts)

    def _business(self, answer: Answer, none_values: tuple[Any, ...] = ()) -> Any:
        """Return the answer's data when its business code says that all is well."""
        options, data = self._options, answer.json()
        if not options.ok:
            return data
        code = at_path(data, options.ok, _ABSENT)
        if code is _ABSENT:
            raise answer.nonsense(f"no code at {options.ok!r}")
        if str(code) in map(str, options.ok_values):
            return data
        if str(code) in map(str, none_values):
            return _ABSENT
        raise self._failure(answer, str(code), at_path(data, options.message))

    def _failure(self, answer: Answer, code: str, message: object) -> DeliveryError:
        what = f"{self.name}: code {self._web.clean(code)}: {self._web.clean(str(message))}"
        if code == "429":
            return Busy(f"{what} (busy)", hint="It is asked again later.")
        if code.isascii() and code.isdigit() and 500 <= int(code) < 600:
            return Ambiguous(f"{what} (the peer failed)", hint="It is looked up before it is sent again.")
        return Rejected(f"{what} (refused)", hint="Correct what the peer names, then send it again.")

    def _receipt(self, external_key: str, item: object, answer: Answer) -> Receipt:
        options = self._options.find
        remote_id = at_path(item, options.id)
        if not isinstance(remote_id, str | int):
            raise answer.nonsense(f"no id at {options.id!r}")
        stage = _at(item, options.stage)
        return Receipt(
            external_key=external_key,
            remote_id=str(remote_id),
            at=position(self.name, at_path(item, options.lon), at_path(item, options.lat)),
            stage="" if stage is None else self._web.clean(str(stage)),
            read_at=datetime.now(UTC),
        )

    def _result(self, options: ResultOptions, item: object, answer: Answer) -> SiteResult | None:
        key = held_key(at_path(item, options.key))
        if key is None:
            return None  # a case of somebody else
        act = at_path(item, options.id)
        if not isinstance(act, str | int):
            raise answer.nonsense(f"no id at {options.id!r}")
        try:
            at = moment(at_path(item, options.at), options.utc_offset_h)
        except (ValueError, OverflowError, OSError) as exc:
            raise answer.nonsense(f"the time of {self._web.clean(str(act))}: {exc}") from None
        stage, odd_stage = told(_at(item, options.stage), options.stages, "stage")
        result, odd_result = told(_at(item, options.result), options.results, "result")
        by, note = _at(item, options.by), _at(item, options.note)
        return SiteResult(
            id=str(act),
            external_key=key,
            at=at,
            stage=stage,
            result=result,
            by=None if by is None else str(by),
            note=" ".join(text for text in (str(note or ""), odd_stage, odd_result) if text),
        )

    def _texts(self, options: FileOptions, pictures: Sequence[tuple[str, bytes, str]]) -> list[str]:
        if options.style == "base64":
            return [base64.b64encode(content).decode() for _, content, _ in pictures]
        tokens = []
        for picture in pictures:
            try:
                answer = self._ask("POST", options.path, writes=True, uploads=((options.part, picture),))
                token = at_path(self._business(answer), options.token)
            except Ambiguous as exc:
                # A picture without a case is no case: nothing was stored that could be a double.
                raise Busy(str(exc), hint="The picture is uploaded again later.") from None
            if not isinstance(token, str | int):
                raise Rejected(
                    f"{self.name}: the answer to an upload has nothing at {options.token!r}.",
                    hint="Correct files.token of this destination.",
                )
            tokens.append(str(token))
        return tokens


_KEY = ("external_key",)


def _at(item: object, path: str) -> Any:
    return at_path(item, path) if path else None  # a path that is not configured is nowhere


def _templates(texts: Mapping[str, str], where: str, names: tuple[str, ...]) -> dict[str, Template]:
    return {
        name: Template(text, where=f"{where}, {name}", extra=names, case=False)
        for name, text in texts.items()
    }


def _put(tree: dict[str, Any], form: dict[str, str], options: FileOptions, texts: list[str]) -> None:
    if tree and options.joined is None:
        tree[options.field] = texts
    else:
        (tree or form)[options.field] = (options.joined or ",").join(texts)


def _placed(
    secret_in: str | None, secret: str | None, fields: Mapping[str, Any], where: str
) -> tuple[str, str, str]:
    """Return where the secret goes: place, name and value; a place of "" is nowhere."""
    place, _, name = (secret_in or "").partition(" ")
    if (secret is None) != (secret_in is None):
        raise InputError(
            f"{where} has a secret and no place for it, or a place and no secret.",
            hint="Give both: secret (the name of a variable or file) and options.secret_in.",
        )
    if secret is None:
        return "", "", ""
    if secret != secret.strip() or not secret.isprintable() or not secret:
        raise InputError(
            f"{where}: the secret is empty or has spaces or line ends around it.",
            hint="Write it without them.",
        )
    if place == "bearer" and not name:
        return "header", "Authorization", f"Bearer {secret}"
    if place not in ("header", "query", "field") or not name.replace("-", "").replace("_", "").isalnum():
        raise InputError(
            f"{where}: secret_in = {secret_in!r} is no place for a secret.",
            hint='Write "bearer", "header NAME", "query NAME" or "field NAME".',
        )
    if place == "field" and name in fields:
        raise InputError(
            f"{where}: {name} is the secret's field and one of fields, too.", hint="Rename or remove one."
        )
    return place, name, secret


def _check_files(options: HttpOptions, where: str) -> None:
    files = options.files
    if files is None:
        return
    lacks = {"multipart": options.body != "form", "upload": not (files.path and files.token)}
    if lacks.get(files.style, False) or files.field in options.fields:
        raise InputError(
            f"{where}: files of the style {files.style!r} do not fit the other options.",
            hint="multipart needs body = form; upload needs files.path and files.token; "
            "files.field is not one of fields.",
        )
