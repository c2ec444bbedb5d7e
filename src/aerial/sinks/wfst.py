"""The sink ``wfst``: features of a WFS 1.1.0 that takes transactions.

``url`` is the service's, the secret a password where ``user`` is set. A server makes a second feature of a
repeated Insert: the worker looks up first. A report of an exception comes as HTTP 200: the body decides.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from xml.etree.ElementTree import Element, SubElement, tostring

from aerial.codec import from_plain, sha256_json
from aerial.errors import InputError
from aerial.records import Case, Receipt, Result, SinkConfig, SiteResult, Stage
from aerial.records.record import record
from aerial.sinks.fieldmap import FieldMap
from aerial.sinks.gml import Axis, GmlError, epsg, read_point, write_point, write_polygon
from aerial.sinks.readback import position
from aerial.sinks.sink import Rejected
from aerial.sinks.web import Answer, Web
from aerial.sinks.words import site_result
from aerial.sinks.xml import XmlError, local, parse_xml

WFS, OGC, OWS = "http://www.opengis.net/wfs", "http://www.opengis.net/ogc", "http://www.opengis.net/ows"
_MOST = 100_000
_FIELDS = {"title": "{title}", "kind": "{kind}", "community": "{community}", "unit_grid": "{unit_grid}"}


@record
class WfstOptions:
    """The options of a sink of the kind ``wfst``.

    ``type_name`` in the XML namespace ``namespace``; ``geometry``: its geometry property, and ``shape`` what
    it takes. ``srs``: the name of the CRS to write with, in the spelling that the server expects. ``axis``:
    ``declared`` by that spelling, or ``xy`` (longitude first), ``yx`` where the server departs from it.
    ``key``, ``stage`` (None: there is none): properties. ``fields``: further ones over templates
    (docs/formats.md). ``results``: property of an officer's result.
    """

    type_name: str
    namespace: str
    geometry: str = "geometry"
    shape: Literal["point", "outline"] = "point"
    srs: str = "urn:ogc:def:crs:EPSG::4490"
    axis: Axis = "declared"
    key: str = "external_key"
    stage: str | None = "stage"
    first_stage: str = "report"
    result: str | None = None
    fields: dict[str, Any] = field(default_factory=lambda: dict(_FIELDS))
    user: str | None = None
    stages: dict[str, Stage] = field(default_factory=dict)
    site_results: dict[str, Result] = field(default_factory=dict)


class WfsTSink:
    """Features of one type; see ``CaseSink``. WFS has no place for files: they are not sent."""

    idempotent = False

    def __init__(self, config: SinkConfig, secret: str | None) -> None:
        where = f"[[sinks]] {config.name}"
        self.name = config.name
        self._options = options = from_plain(WfstOptions, config.options, source=where)
        self._fields = FieldMap(options.fields, where=f"{where}, fields")
        names = [options.type_name, options.geometry, options.key, options.stage or "x", *options.fields]
        for name in [*names, options.result or "x"]:
            if not name.replace("-", "_").replace(".", "_").isidentifier():
                raise InputError(f"{where}: {name!r} cannot name an XML element.", hint="Give its name.")
        try:
            epsg(options.srs)
        except GmlError as exc:
            raise InputError(f"{where}: srs {exc}.", hint="Write urn:ogc:def:crs:EPSG::4490.") from exc
        self._headers = {"Content-Type": "text/xml; charset=UTF-8", "Accept": "text/xml, application/xml"}
        login = None
        if options.user:
            login = base64.b64encode(f"{options.user}:{secret or ''}".encode()).decode()
            self._headers["Authorization"] = f"Basic {login}"
        self._web = Web(config, secrets=(secret, login))
        self._checked = False

    def find(self, external_key: str) -> Receipt | None:
        """Return the first feature with the key, its position as it was written, or None."""
        found = self.copies(external_key)
        return found[0] if found else None

    def copies(self, external_key: str) -> tuple[Receipt, ...]:
        """Return every feature with the key, in the order of their ids."""
        rows = [
            row for row in self._features(external_key) if self._text(row, self._options.key) == external_key
        ]
        return tuple(self._receipt(row, external_key) for row in sorted(rows, key=_id_order))

    def send(self, case: Case, files: Sequence[Path]) -> None:
        """Insert one feature; what already lies there is not looked at."""
        options = self._options
        self._check()
        root = Element(f"{{{WFS}}}Transaction", {"service": "WFS", "version": "1.1.0"})
        feature = SubElement(SubElement(root, f"{{{WFS}}}Insert"), self._tag(options.type_name))
        values = {options.key: case.external_key} | self._fields.flat(case)
        values |= {options.stage: options.first_stage} if options.stage else {}
        for name, value in values.items():
            SubElement(feature, self._tag(name)).text = value
        geometry = SubElement(feature, self._tag(options.geometry))
        if options.shape == "point":
            write_point(geometry, case.at, options.srs, options.axis)
        else:
            write_polygon(geometry, case.suspect.outline, options.srs, options.axis)
        answer, told = self._ask(root, writes=True)
        if local(told) != "TransactionResponse":
            raise answer.nonsense(f"{local(told)} in the place of a TransactionResponse")
        made = [element.text for element in told.iter() if local(element) == "totalInserted"]
        if [str(text).strip() for text in made] == ["0"]:
            raise Rejected(
                f"{self.name}: the server inserted nothing: {self._said(told)}",
                hint="Compare options with what DescribeFeatureType tells, then revive the case.",
            )

    def results(self, cursor: str | None) -> tuple[Sequence[SiteResult], str | None]:
        """Return the stage and result of every feature where they are not those of ``cursor``.

        A WFS tells no time of change: all features are read, and the cursor holds what each of them said.
        """
        options = self._options
        if not options.stage and not options.result:
            return (), cursor
        held, found, now = _held(cursor), list[SiteResult](), datetime.now(UTC)
        for row in self._features(None):
            key = self._text(row, options.key)
            stage = self._text(row, options.stage) if options.stage else ""
            result = self._text(row, options.result) if options.result else ""
            count, _, was = held.get(_id(row), "0:").partition(":")
            words = sha256_json([stage, result])[:12]
            first = not was and stage in ("", options.first_stage) and not result
            if not key or first or was == words:
                continue
            # Numbered: a case that comes back to a stage it had is another act.
            held[_id(row)] = f"{int(count) + 1}:{words}"
            found.append(
                site_result(
                    f"{_id(row)}:{held[_id(row)]}", key, now, stage=stage, result=result,
                    stages=options.stages, results=options.site_results,
                )
            )  # fmt: skip
        return tuple(found), json.dumps(held)

    def _tag(self, name: str) -> str:
        return f"{{{self._options.namespace}}}{name}"

    def _check(self) -> None:
        """Refuse to write in another CRS than the service keeps.

        QGIS Server stores such numbers as they are, and answers them as they are: nothing would show it.
        """
        if self._checked:
            return
        query = {"service": "WFS", "version": "1.1.0", "request": "GetCapabilities"}
        answer = self._web.ask("GET", "", writes=False, headers=self._headers, query=query)
        types = [
            {local(child): (child.text or "").strip() for child in element}
            for element in self._told(answer).iter()
            if local(element) == "FeatureType"
        ]
        name = self._options.type_name
        kept = next(
            (one.get("DefaultSRS", "") for one in types if one.get("Name", "").rpartition(":")[2] == name),
            None,
        )
        if kept is None:
            raise Rejected(
                f"{self.name}: the service offers no feature type {name}.",
                hint="Correct type_name; GetCapabilities lists them, without the prefix.",
            )
        try:
            same = epsg(kept) == epsg(self._options.srs)
        except GmlError:
            same = False
        if not same:
            raise Rejected(
                f"{self.name}: {name} is kept in {self._web.clean(kept)}, not in {self._options.srs}.",
                hint="Write the CRS of the layer as srs.",
            )
        self._checked = True

    def _features(self, external_key: str | None) -> list[Element]:
        options = self._options
        self._check()
        root = Element(
            f"{{{WFS}}}GetFeature",
            {
                "service": "WFS",
                "version": "1.1.0",
                "maxFeatures": str(_MOST if external_key is None else 100),
            },
        )
        # The prefix is declared on the element itself, for the value of typeName.
        root.set("xmlns:app", options.namespace)
        query = SubElement(root, f"{{{WFS}}}Query", {"typeName": f"app:{options.type_name}"})
        # No srsName: asked in another CRS than its own, QGIS Server turns the axes and names them wrongly.
        if external_key is not None:
            equal = SubElement(SubElement(query, f"{{{OGC}}}Filter"), f"{{{OGC}}}PropertyIsEqualTo")
            SubElement(equal, f"{{{OGC}}}PropertyName").text = options.key
            SubElement(equal, f"{{{OGC}}}Literal").text = external_key
        answer, told = self._ask(root, writes=False)
        if local(told) != "FeatureCollection":
            raise answer.nonsense(f"{local(told)} in the place of a FeatureCollection")
        return [
            feature
            for member in told
            if local(member) in ("featureMember", "featureMembers")
            for feature in member
            if local(feature) == options.type_name
        ]

    def _ask(self, root: Element, *, writes: bool) -> tuple[Answer, Element]:
        content = b'<?xml version="1.0" encoding="UTF-8"?>' + tostring(root, encoding="unicode").encode()
        answer = self._web.ask("POST", "", writes=writes, headers=self._headers, content=content)
        return answer, self._told(answer)

    def _told(self, answer: Answer) -> Element:
        try:
            told = parse_xml(answer.body)
        except XmlError as exc:
            raise answer.nonsense(f"unusable XML, {self._web.clean(str(exc))}") from exc
        if local(told) in ("ExceptionReport", "ServiceExceptionReport"):
            raise Rejected(
                f"{self.name}: the server refused: {self._said(told)}",
                hint="Compare options with what DescribeFeatureType tells, then revive the case.",
            )
        return told

    def _said(self, told: Element) -> str:
        return (
            self._web.clean(" ".join(text.strip() for text in told.itertext() if text.strip())) or "no reason"
        )

    def _text(self, row: Element, name: str) -> str:
        return next((child.text or "" for child in row if local(child) == name), "").strip()

    def _receipt(self, row: Element, external_key: str) -> Receipt:
        options = self._options
        held = next((child for child in row if local(child) == options.geometry), None)
        try:
            lon, lat = read_point(held, options.srs, options.axis)
        except GmlError as exc:
            raise Rejected(
                f"{self.name}: feature {_id(row)} holds {external_key} without a position: {exc}.",
                hint="Correct geometry, srs and axis, or delete the feature and send the case again.",
            ) from exc
        return Receipt(
            external_key=external_key,
            remote_id=_id(row),
            at=position(self.name, lon, lat),
            stage=self._text(row, options.stage) if options.stage else "",
            read_at=datetime.now(UTC),
        )


def _id(row: Element) -> str:
    return next((value for name, value in row.attrib.items() if name.rpartition("}")[2] in ("id", "fid")), "")


def _id_order(row: Element) -> tuple[int, str]:
    number = _id(row).rpartition(".")[2]
    return (int(number) if number.isascii() and number.isdigit() else 0, _id(row))


def _held(cursor: str | None) -> dict[str, str]:
    try:
        return {str(key): str(value) for key, value in json.loads(cursor or "{}").items()}
    except (ValueError, AttributeError) as exc:
        raise InputError(
            f"{str(cursor)[:80]!r} is not a cursor of this destination.",
            hint="Pull again from the beginning.",
        ) from exc
