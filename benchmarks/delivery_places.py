"""The destinations of the delivery benchmark: each peer, our sink for it, and what a plain client posts."""

import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from xml.sax.saxutils import escape

import httpx
import psycopg

from aerial import plugins
from aerial.records import Case, SinkConfig
from aerial.sinks.sink import CaseSink
from benchmarks.delivery_disk import Disk, FaultySink, Folder
from benchmarks.delivery_faults import COMMITS, KEYS, QUICK, READS, SLOW, WRITES
from benchmarks.peers.base import LOOPBACK, Peer, free_port
from benchmarks.peers.open311 import Open311
from benchmarks.peers.pgproxy import PgProxy
from benchmarks.peers.postgis import Postgis
from benchmarks.peers.proxy import Proxy
from benchmarks.peers.pygeoapi import PyGeoApi
from benchmarks.peers.qgis import Qgis
from benchmarks.peers.redmine import Redmine
from benchmarks.peers.roundup import Roundup

# What Redmine's fields are to the sink.
FIELDS = {"key": "external_key", "lon": "lon", "lat": "lat"}


class Place(ABC):
    """One destination behind its proxy. `share` is its part of all faults, by its speed."""

    name: str
    kind: str
    share: float
    # Under which name the peer tells the destination's secret.
    key_in: str | None = None
    pace = QUICK
    takes_files = False
    has_plain = True
    peer: Peer

    def __init__(self) -> None:
        # Some peers must know under which address their clients meet them.
        self.front_port = free_port()

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """What a town would write into the options of the destination."""

    def config(self, url: str) -> SinkConfig:
        """How a town would configure it."""
        return SinkConfig(
            name=self.name,
            kind=self.kind,
            url=url,
            timeout_s=self.pace.timeout_s,
            quiet_s=self.pace.quiet_s,
            options=self.options(),
        )

    @property
    def secret(self) -> str | None:
        """What the configuration's secret stands for."""
        return str(self.peer.options[self.key_in]) if self.key_in else None

    def sink(self, url: str, proxy: Proxy | PgProxy | Disk | None) -> CaseSink:
        """Our own sink; nothing in it knows of the benchmark, nor of the proxy before it."""
        config = self.config(url)
        made: CaseSink = plugins.load("aerial.sinks", config.kind)(config, self.secret)
        return made

    @contextmanager
    def calm(self) -> Iterator[str]:
        """The peer's address without faults; under the address that it knows, nonetheless."""
        with Proxy(self.peer.url, seed=0, key_pattern=KEYS, port=self.front_port) as proxy:
            yield self.by_way_of(proxy)

    def proxy(self, seed: int) -> Proxy | PgProxy | Disk:
        """The fault proxy before it."""
        times = self.pace.times
        return Proxy(
            self.peer.url,
            seed=seed,
            key_pattern=KEYS,
            writes=WRITES,
            reads=READS,
            times=times,
            port=self.front_port,
        )

    def by_way_of(self, proxy: Proxy | PgProxy | Disk) -> str:
        """The peer's address behind the proxy."""
        parts = urlsplit(self.peer.url)
        return urlunsplit(parts._replace(netloc=f"{LOOPBACK}:{proxy.port}"))

    @abstractmethod
    def plain(self, url: str, case: Case) -> None:
        """Send one request, as a client does that knows nothing of deliveries; raises when it was not 2xx."""

    def _post(self, url: str, **request: Any) -> None:
        httpx.post(url, timeout=self.pace.timeout_s, **request).raise_for_status()


class PostgisPlace(Place):
    """A table with a unique key."""

    name, kind, share, takes_files = "postgis", "postgis", 3.6, True
    key_in = "password"

    def __init__(self) -> None:
        super().__init__()
        self.peer = Postgis()

    def options(self) -> dict[str, Any]:
        """The peer's own table, with the whole case in one column."""
        columns = {name: name for name in ("title", "kind", "unit_grid", "community", "error_m", "area_m2")}
        columns["payload"] = "feature"
        return {"point": "geom", "outline": "", "columns": columns, "files": "case_files"}

    def proxy(self, seed: int) -> Proxy | PgProxy | Disk:
        """Cuts connections around a COMMIT, of a look-up too."""
        options = self.peer.options
        return PgProxy(
            options["host"],
            options["port"],
            seed=seed,
            key_pattern=KEYS,
            writes=COMMITS,
            times=self.pace.times,
        )

    def by_way_of(self, proxy: Proxy | PgProxy | Disk) -> str:
        """The same database on the proxy's port."""
        return self._address(proxy.port)

    @contextmanager
    def calm(self) -> Iterator[str]:
        """With the port of the server itself."""
        yield self._address(self.peer.options["port"])

    def _address(self, port: int) -> str:
        options = self.peer.options
        return f"postgresql://{options['user']}@{LOOPBACK}:{port}/{options['database']}"

    def plain(self, url: str, case: Case) -> None:
        """A plain INSERT."""
        limit_ms = round(self.pace.timeout_s * 1000)
        options = f"-c statement_timeout={limit_ms}"
        with psycopg.connect(
            url, password=self.secret, connect_timeout=2, tcp_user_timeout=limit_ms, options=options
        ) as db:
            db.execute(
                "INSERT INTO cases (external_key, title, geom)"
                " VALUES (%s, %s, ST_SetSRID(ST_MakePoint(%s, %s), 4490))",
                (case.external_key, "疑似新增违建", case.at.lon_deg, case.at.lat_deg),
            )


class PyGeoApiPlace(Place):
    """OGC API Features with PUT; the plain client posts."""

    name, kind, share = "pygeoapi", "ogc", 0.8

    def __init__(self, *, trap: bool = False) -> None:
        super().__init__()
        self.peer = PyGeoApi(trap=trap, front_port=self.front_port)

    def options(self) -> dict[str, Any]:
        """PUT under the case's own id."""
        fields = {name: f"{{{name}}}" for name in ("external_key", "title", "kind", "stage", "community")}
        return {"collection": self.peer.options["collection"], "method": "put", "fields": fields}

    def plain(self, url: str, case: Case) -> None:
        """A feature with an id of its own."""
        feature = {
            "type": "Feature",
            "id": case.external_key,
            "geometry": {"type": "Point", "coordinates": [case.at.lon_deg, case.at.lat_deg]},
            "properties": {"external_key": case.external_key, "title": "疑似新增违建", "kind": "new"},
        }
        headers = {"Content-Type": "application/geo+json"}
        body = json.dumps(feature, ensure_ascii=False).encode()
        path = f"/collections/{self.peer.options['collection']}/items"
        self._post(url + path, content=body, headers=headers)


class QgisPlace(Place):
    """WFS-T over a table with numbers of its own."""

    name, kind, share = "qgis", "wfst", 4.3

    def __init__(self) -> None:
        super().__init__()
        self.peer = Qgis(front_port=self.front_port)

    def options(self) -> dict[str, Any]:
        """QGIS writes longitude first, whatever the name of the CRS."""
        told = self.peer.options
        names = {"geometry": "geometry_property", "key": "key_property", "stage": "stage_property"}
        names |= {name: name for name in ("type_name", "namespace", "srs")}
        return {"axis": "xy"} | {name: told[its] for name, its in names.items()}

    def plain(self, url: str, case: Case) -> None:
        """An Insert."""
        at = case.at
        body = (
            '<wfs:Transaction service="WFS" version="1.1.0" xmlns:wfs="http://www.opengis.net/wfs"'
            ' xmlns:gml="http://www.opengis.net/gml"><wfs:Insert><cases xmlns="http://www.qgis.org/gml">'
            f"<external_key>{escape(case.external_key)}</external_key><title>疑似新增违建</title><stage>new</stage>"
            '<geometry><gml:Point srsName="EPSG:4490">'
            f"<gml:pos>{at.lon_deg!r} {at.lat_deg!r}</gml:pos></gml:Point></geometry>"
            "</cases></wfs:Insert></wfs:Transaction>"
        )
        self._post(url, content=body.encode(), headers={"Content-Type": "text/xml"})


class RedminePlace(Place):
    """Issues with custom fields."""

    name, kind, share, pace, takes_files = "redmine", "redmine", 0.9, SLOW, True
    key_in = "api_key"

    def __init__(self) -> None:
        super().__init__()
        self.peer = Redmine(front_port=self.front_port)

    def options(self) -> dict[str, Any]:
        """The numbers that this Redmine gave to its custom fields."""
        told, fields = self.peer.options, self.peer.options["fields"]
        numbers = {
            "key_field": fields["external_key"],
            "lon_field": fields["lon"],
            "lat_field": fields["lat"],
        }
        more = {"tracker": told["tracker"], "priority": told["priority"]}
        return {"project": str(told["project"])} | numbers | more

    def plain(self, url: str, case: Case) -> None:
        """An issue."""
        options, fields = self.peer.options, self.peer.options["fields"]
        values = {"external_key": case.external_key, "lon": case.at.lon_deg, "lat": case.at.lat_deg}
        issue = {
            "project_id": options["project"],
            "tracker_id": options["tracker"],
            "priority_id": options["priority"],
            "subject": "疑似新增违建",
            "custom_fields": [{"id": fields[name], "value": str(value)} for name, value in values.items()],
        }
        headers = {"X-Redmine-API-Key": options["api_key"]}
        self._post(f"{url}/issues.json", json={"issue": issue}, headers=headers)


class RoundupPlace(Place):
    """Issues behind one-time links; the plain client posts to the class."""

    name, kind, share, pace, takes_files = "roundup", "roundup", 0.4, SLOW, True
    key_in = "password"

    def __init__(self) -> None:
        super().__init__()
        self.peer = Roundup(front_port=self.front_port)

    def options(self) -> dict[str, Any]:
        """The properties have the names that the sink expects."""
        return {"user": self.peer.options["user"]}

    def plain(self, url: str, case: Case) -> None:
        """An issue, without a one-time link."""
        options, parts = self.peer.options, urlsplit(url)
        login = base64.b64encode(f"{options['user']}:{options['password']}".encode()).decode()
        headers = {
            "Authorization": f"Basic {login}",
            "Origin": f"{parts.scheme}://{parts.netloc}",
            "Referer": options["web"],
            "X-Requested-With": "rest",
            "Accept": "application/json",
        }
        issue = {
            "title": "疑似新增违建",
            "external_key": case.external_key,
            "lon": f"{case.at.lon_deg:.9f}",
            "lat": f"{case.at.lat_deg:.9f}",
        }
        self._post(f"{url}/issue", json=issue, headers=headers)


class Open311Place(Place):
    """A GeoReport server that somebody started here; see benchmarks/peers/open311.py."""

    name, kind, share = "open311", "open311", 1.0
    key_in = "api_key"

    def __init__(self) -> None:
        super().__init__()
        self.peer = Open311(key_pattern=KEYS)

    def options(self) -> dict[str, Any]:
        """The one service."""
        return {"service_code": self.peer.options["service_code"]}

    def plain(self, url: str, case: Case) -> None:
        """A request."""
        options = self.peer.options
        form = {
            "api_key": options["api_key"],
            "service_code": options["service_code"],
            "description": f"疑似新增违建 {case.external_key}",
            "lat": repr(case.at.lat_deg),
            "long": repr(case.at.lon_deg),
        }
        self._post(f"{url}/requests.json", data=form)


class FolderPlace(Place):
    """Our own drop on a failing disk; nobody posts to a folder."""

    name, kind, share, takes_files, has_plain = "folder", "folder", 0.8, True, False

    def __init__(self) -> None:
        super().__init__()
        self.peer = Folder()

    def options(self) -> dict[str, Any]:
        """None."""
        return {}

    def sink(self, url: str, proxy: Proxy | PgProxy | Disk | None) -> CaseSink:
        """Ours, on the failing disk where there is one."""
        return FaultySink(self.config(url), proxy) if isinstance(proxy, Disk) else super().sink(url, proxy)

    def proxy(self, seed: int) -> Proxy | PgProxy | Disk:
        """The disk."""
        return Disk(seed=seed, key_pattern=KEYS, writes=WRITES, reads=READS, times=self.pace.times)

    @contextmanager
    def calm(self) -> Iterator[str]:
        """The same folder."""
        yield self.peer.url

    def by_way_of(self, proxy: Proxy | PgProxy | Disk) -> str:
        """The folder: the faults are in the sink's own disk."""
        return self.peer.url

    def plain(self, url: str, case: Case) -> None:
        """None."""
        raise NotImplementedError


# The slow ones first: they decide how long the whole takes.
PLACES: dict[str, type[Place]] = {
    place.name: place
    for place in (
        RoundupPlace,
        RedminePlace,
        PyGeoApiPlace,
        QgisPlace,
        PostgisPlace,
        FolderPlace,
        Open311Place,
    )
}
