"""pygeoapi 0.21.0: OGC API Features Part 4 over PostGIS; PUT of a feature's own id is an upsert.

pygeoapi stores what it is sent as it is, and transforms what it reads from the storage CRS to CRS84. With
EPSG:4490, whose axes are latitude, longitude, a plain table of PostGIS comes back swapped. Two collections:

* `cases` is a view whose geometries are flipped to the order that EPSG:4490 declares, with a trigger that
  writes to the table beneath. What comes back is right, and so is a query by bbox.
* `cases_swapped` is the table beneath such a view, served as it is: the trap. Its read-back names latitude
  first, and a client that checks positions must notice it.
"""

import os
from pathlib import Path

from benchmarks.peers.base import INSTALL, LOOPBACK, Peer, answers, cache, free_port, whole
from benchmarks.peers.postgis import Cluster, missing, only_position

DATABASE = "cases_ogc"
GOOD, TRAP = "cases", "cases_swapped"
TABLES = {GOOD: "cases_kept", TRAP: "cases_swapped"}
WORKERS = 2
SCHEMA = """
    CREATE EXTENSION postgis;
    CREATE TABLE cases_kept (
        external_key text PRIMARY KEY,
        title text,
        kind text,
        stage text,
        unit_grid text,
        community text,
        error_m double precision,
        area_m2 double precision,
        payload text,
        geom geometry(Point, 4490)
    );
    CREATE TABLE cases_swapped (LIKE cases_kept INCLUDING ALL);
    CREATE VIEW cases AS
        SELECT external_key, title, kind, stage, unit_grid, community, error_m, area_m2, payload,
            ST_FlipCoordinates(geom)::geometry(Point, 4490) AS geom
        FROM cases_kept;
    CREATE FUNCTION keep_case() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            INSERT INTO cases_kept VALUES (NEW.*);
            RETURN NEW;
        ELSIF TG_OP = 'DELETE' THEN
            DELETE FROM cases_kept WHERE external_key = OLD.external_key;
            RETURN OLD;
        END IF;
        -- A geometry that the statement left alone is the flipped one that the view showed.
        IF NEW.geom = OLD.geom THEN
            NEW.geom := ST_FlipCoordinates(OLD.geom);
        END IF;
        UPDATE cases_kept
            SET (title, kind, stage, unit_grid, community, error_m, area_m2, payload, geom)
            = (NEW.title, NEW.kind, NEW.stage, NEW.unit_grid, NEW.community, NEW.error_m, NEW.area_m2,
               NEW.payload, NEW.geom)
            WHERE external_key = OLD.external_key;
        RETURN NEW;
    END $$;
    CREATE TRIGGER keep INSTEAD OF INSERT OR UPDATE OR DELETE ON cases
        FOR EACH ROW EXECUTE FUNCTION keep_case();
"""
SETTINGS = """
server:
  bind: {{host: {host}, port: {port}}}
  url: http://{host}:{front_port}
  mimetype: application/json; charset=UTF-8
  encoding: utf-8
  language: en-US
  limits: {{default_items: 100, max_items: 1000}}
  map: {{url: "http://{host}/none", attribution: none}}
logging: {{level: ERROR}}
metadata:
  identification:
    title: cases
    description: cases
    keywords: [cases]
    terms_of_service: none
    url: http://{host}:{port}
  license: {{name: none, url: "http://{host}:{port}"}}
  provider: {{name: none, url: "http://{host}:{port}"}}
  contact: {{name: none, email: none@localhost}}
resources:
"""
RESOURCE = """
  {name}:
    type: collection
    title: {name}
    description: {name}
    keywords: [cases]
    links: []
    extents:
      spatial: {{bbox: [113.0, 22.0, 115.0, 24.0], crs: "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}}
    providers:
      - type: feature
        name: PostgreSQL
        editable: true
        storage_crs: http://www.opengis.net/def/crs/EPSG/0/4490
        data:
          host: {host}
          port: {port}
          dbname: {database}
          user: {user}
          password: {password}
          search_path: [public]
        table: {name}
        id_field: external_key
        geom_field: geom
"""


def home() -> Path:
    """The virtual environment that the installer made."""
    return cache() / "pygeoapi"


class PyGeoApi(Peer):
    """pygeoapi on gunicorn, two workers; `trap` makes the swapped collection the one that is counted."""

    name = "pygeoapi"
    idempotent = True

    def __init__(self, *, trap: bool = False, front_port: int | None = None) -> None:
        super().__init__(front_port=front_port)
        self.collection = TRAP if trap else GOOD

    @classmethod
    def available(cls) -> str | None:
        """Nothing when the environment and PostGIS are here."""
        if not whole("pygeoapi").exists():
            return f"pygeoapi is not installed: {INSTALL} (pip install pygeoapi==0.21.0)"
        return missing()

    def _start(self) -> None:
        self.cluster = Cluster(self.folder / "cluster")
        self._undo.callback(self.cluster.stop)
        self.cluster.start()
        self.cluster.create(DATABASE, SCHEMA)
        port = free_port()
        self.url = f"http://{LOOPBACK}:{port}"
        settings = SETTINGS.format(host=LOOPBACK, port=port, front_port=self.front_port or port) + "".join(
            RESOURCE.format(
                name=name,
                host=LOOPBACK,
                port=self.cluster.port,
                database=DATABASE,
                user=self.cluster.user,
                password=self.cluster.password,
            )
            for name in TABLES
        )
        configuration, openapi = self.folder / "pygeoapi.yml", self.folder / "openapi.yml"
        configuration.write_text(settings)
        # The description of the interface is asked for at the start only; an empty one starts 3 s sooner.
        openapi.write_text("openapi: 3.0.2\npaths: {}\n")
        env = {"PYGEOAPI_CONFIG": str(configuration), "PYGEOAPI_OPENAPI": str(openapi)}
        env["PATH"] = f"{home() / 'bin'}{os.pathsep}/usr/bin:/bin"
        argv: list[str | Path] = [home() / "bin" / "gunicorn", "-w", str(WORKERS), "-b", f"{LOOPBACK}:{port}"]
        argv += ["--timeout", "60", "pygeoapi.flask_app:APP"]
        ready = f"{self.url}/collections/{GOOD}/items?f=json&limit=1"
        self.serve(argv, ready=lambda: answers(ready, 30.0), env=env)
        self.options = {
            "collection": self.collection,
            "key_property": "external_key",
            "stage_property": "stage",
        }

    def counts(self) -> dict[str, int]:
        """Rows of each key in the table beneath the collection."""
        sql = {
            GOOD: "SELECT external_key, count(*) FROM cases_kept GROUP BY 1",
            TRAP: "SELECT external_key, count(*) FROM cases_swapped GROUP BY 1",
        }
        return {key: int(n) for key, n in self.cluster.sql(DATABASE, sql[self.collection])}

    def position(self, external_key: str) -> tuple[float, float]:
        """Longitude and latitude as stored."""
        sql = {
            GOOD: "SELECT ST_X(geom), ST_Y(geom) FROM cases_kept WHERE external_key = :'key'",
            TRAP: "SELECT ST_X(geom), ST_Y(geom) FROM cases_swapped WHERE external_key = :'key'",
        }
        rows = self.cluster.sql(DATABASE, sql[self.collection], key=external_key)
        return only_position(rows, external_key)

    def files(self, external_key: str) -> int:
        """None: a feature has no place for files."""
        return 0

    def set_stage(self, external_key: str, stage: str) -> None:
        """Writes the column."""
        sql = {
            GOOD: "UPDATE cases_kept SET stage = :'stage' WHERE external_key = :'key'",
            TRAP: "UPDATE cases_swapped SET stage = :'stage' WHERE external_key = :'key'",
        }
        self.cluster.sql(DATABASE, sql[self.collection], key=external_key, stage=stage)

    def reset(self) -> None:
        """Empties both tables."""
        self.cluster.sql(DATABASE, "TRUNCATE cases_kept, cases_swapped")
