"""Feature servers as pygeoapi 0.21 was seen with its providers.

A second POST of an id is 500; a POST without an id, or to a server that minds none, mints one; PUT of what
is not there answers 204 and stores nothing (TinyDB) or stores it (PostgreSQL); with the storage CRS 4490
the axes come out swapped.
"""

from typing import Any

from tests.sinks.fakes.http import Asked, FakePeer, Said


class OgcFake(FakePeer):
    """One collection, ``cases``."""

    def __init__(self, secret: str, *, upserts: bool, mints: bool = False, swaps: bool = False) -> None:
        super().__init__()
        self.secret, self.upserts, self.mints, self.swaps = secret, upserts, mints, swaps
        self.filters = True
        self.features: dict[str, dict[str, Any]] = {}

    def refusal(self, said: str) -> Said:
        """As pygeoapi does."""
        return 400, {"code": "InvalidParameterValue", "type": "x", "description": said}

    def answer(self, asked: Asked) -> Said:
        """Answer items of the collection."""
        if asked.headers.get("authorization") != f"Bearer {self.secret}":
            return 401, {"code": "Unauthorized"}
        head, _, name = asked.path.partition("/collections/cases/items")
        if head or not asked.path.startswith("/collections/cases/items"):
            return 404, {"code": "NotFound", "description": "Collection not found"}
        name = name.removeprefix("/")
        if asked.method == "GET":
            return self._get(name, asked)
        feature = asked.json()
        assert feature["type"] == "Feature"
        if asked.method == "PUT":
            if (self.upserts or name in self.features) and self.stores:
                self.features[name] = feature
            return 204, None
        key = f"uuid-{len(self.features)}" if self.mints else feature["id"]
        if key in self.features:
            return 500, {"code": "NoApplicableCode", "description": "generic error (check logs)"}
        if self.stores:
            self.features[key] = feature
        return 201, None

    def _get(self, name: str, asked: Asked) -> Said:
        if name:
            found = self.features.get(name)
            return (200, self._shown(name, found)) if found else (404, {"code": "NotFound"})
        asked_key = asked.query.get("external_key")
        rows = [
            self._shown(name, feature) for name, feature in self.features.items()
            if asked_key is None or not self.filters or feature["properties"]["external_key"] == asked_key
        ]  # fmt: skip
        return 200, {"type": "FeatureCollection", "features": rows[:10]}

    def _shown(self, name: str, feature: dict[str, Any]) -> dict[str, Any]:
        x, y = feature["geometry"]["coordinates"]
        place = {"type": "Point", "coordinates": [y, x] if self.swaps else [x, y]}
        return {**feature, "id": name, "geometry": place}

    def held(self, key: str) -> list[dict[str, Any]]:
        """The features of a key."""
        return [feature for feature in self.features.values() if feature["properties"]["external_key"] == key]
