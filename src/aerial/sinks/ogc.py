"""The destination ``ogc``: OGC API Features, Part 4 (create, replace, delete).

Servers differ in what a 2xx means: one answers 204 to a PUT and stores nothing, one swaps the axes
of CGCS2000 on the way out. So what was sent is read back at once, and its position compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from aerial.codec import from_plain
from aerial.errors import InputError
from aerial.features import DECIMALS
from aerial.records import Case, Receipt, SinkConfig, SiteResult
from aerial.records.record import record
from aerial.sinks.fieldmap import NAMES, FieldMap, at_path
from aerial.sinks.readback import first_look, oldest_first, position, require_position
from aerial.sinks.sink import Ambiguous, Busy
from aerial.sinks.web import Answer, Web, segment

_GEOJSON = {"Accept": "application/geo+json, application/json;q=0.9"}
_MOST_ROWS = 100


@record
class OgcOptions:
    """The ``options`` of this kind.

    ``method``: ``put`` where the server stores what it did not know (PostgreSQL behind pygeoapi),
    else ``post``. ``fields``: a field map of the properties; by default all of a case's. ``key_property``:
    a queryable property with the external key, for servers that give features ids of their own.
    ``header``: name of the header in which the secret goes; by default it is a bearer token.
    """

    collection: str
    method: Literal["put", "post"] = "post"
    fields: dict[str, Any] = field(default_factory=lambda: {name: f"{{{name}}}" for name in NAMES})
    key_property: str | None = None
    header: str | None = None


class OgcFeaturesSink:
    """A feature server; see ``CaseSink``. A case is a point with properties; pictures are not taken there.

    Nothing happens on site in such a server: there are no results.
    """

    def __init__(self, config: SinkConfig, secret: str | None) -> None:
        self.name = config.name
        where = f"The destination {config.name!r}"
        self._options = options = from_plain(OgcOptions, config.options, source=f"{where}: options")
        self._fields = FieldMap(options.fields, where=f"{where}: fields")
        self._web = Web(config, secrets=[secret])
        self._secret: dict[str, str] = {}
        if secret is not None:
            self._secret = (
                {options.header: secret} if options.header else {"Authorization": f"Bearer {secret}"}
            )
        self.idempotent = options.method == "put"
        if options.method == "put" and options.key_property is not None:
            raise InputError(
                f"{where}: method = put and key_property do not go together.",
                hint="With put the external key is the feature's id; leave key_property out.",
            )
        if options.key_property is not None and options.key_property not in options.fields:
            raise InputError(
                f"{where}: the property {options.key_property!r} is not one of fields.",
                hint='Add it with the value "{external_key}".',
            )
        self._look_up_works = False
        self._items = f"collections/{segment(options.collection)}/items"

    def find(self, external_key: str) -> Receipt | None:
        """Return the feature under the key."""
        return next(iter(self.copies(external_key)), None)

    def copies(self, external_key: str) -> tuple[Receipt, ...]:
        """Return the features under the key: one by its id, or all with the key in ``key_property``."""
        name = self._options.key_property
        if name is None:
            answer = self._get(f"{self._items}/{segment(external_key)}", allow=(404,))
            if answer.status == 404:
                return ()
            return (self._receipt(external_key, answer.json(), answer),)
        answer = self._get(self._items, query={name: external_key, "limit": str(_MOST_ROWS)})
        features = at_path(answer.json(), "features")
        if not isinstance(features, list):
            raise answer.nonsense("no features")
        # Where the property is the server's own id of features, it is not among the properties.
        ways = (f"properties.{name}", "id")
        if any(external_key not in [at_path(feature, way) for way in ways] for feature in features):
            # A server that ignores the filter lists everything, and may list ours on another page.
            raise answer.nonsense(f"features without the key: {name} is not queryable")
        return oldest_first([self._receipt(external_key, feature, answer) for feature in features])

    def send(self, case: Case, files: Sequence[Path]) -> None:
        """Put or post the feature, read it back, and compare the position.

        Before the first one it is looked up: what cannot be found again is not sent.

        Raises:
            Rejected: also when the server holds it with swapped axes, or somewhere else.
            Ambiguous: also when it answered that it did and holds nothing.
        """
        put = self._options.method == "put"
        one = f"{self._items}/{segment(case.external_key)}"
        if not self._look_up_works:
            first_look(lambda: self.copies(case.external_key))
            self._look_up_works = True
        self._web.ask(
            "PUT" if put else "POST",
            one if put else self._items,
            writes=True,
            json={
                "type": "Feature",
                "id": case.external_key,
                "geometry": {
                    "type": "Point",
                    "coordinates": [round(case.at.lon_deg, DECIMALS), round(case.at.lat_deg, DECIMALS)],
                },
                "properties": self._fields.nested(case),
            },
            headers={**_GEOJSON, **self._secret, "Content-Type": "application/geo+json"},
        )
        try:
            held = self.copies(case.external_key)
        except Busy as exc:
            # By now something was sent; "nothing was stored" would be wrong.
            raise Ambiguous(str(exc), hint="It is looked up before it is sent again.") from None
        if not held:
            raise Ambiguous(
                f"{self.name}: the peer answered that it stored {case.external_key} and does not hold it.",
                hint='Its PUT may store nothing that is new: write method = "post".'
                if put
                else "It may give ids of its own: write key_property.",
            )
        for receipt in held:
            require_position(self.name, case, receipt.at)

    def results(self, cursor: str | None) -> tuple[Sequence[SiteResult], str | None]:
        """Return nothing: see the class."""
        return (), cursor

    def _get(
        self, path: str, *, query: Mapping[str, str] | None = None, allow: tuple[int, ...] = ()
    ) -> Answer:
        return self._web.ask(
            "GET", path, writes=False, query=query, headers={**_GEOJSON, **self._secret}, allow=allow
        )

    def _receipt(self, external_key: str, feature: object, answer: Answer) -> Receipt:
        if at_path(feature, "geometry.type") != "Point":
            raise answer.nonsense("no feature with a point")
        remote_id = at_path(feature, "id")
        return Receipt(
            external_key=external_key,
            remote_id=external_key if remote_id is None else str(remote_id),
            at=position(
                self.name,
                at_path(feature, "geometry.coordinates.0"),
                at_path(feature, "geometry.coordinates.1"),
            ),
            stage=self._web.clean(str(at_path(feature, "properties.stage", ""))),
            read_at=datetime.now(UTC),
        )
