"""QGIS Server 3.22, the write path of many a GIS bureau: WFS-T 1.1.0 over PostGIS in EPSG:4490.

A repeated Insert makes a second feature: the table has a number of its own as its key, as a bureau's has.
Positions come back to 8 decimals in GML and to 6 in GeoJSON. An Insert that names a field which the layer
has not makes a process of this release spin for ever; lighttpd then asks the other.
"""

from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks.peers.base import INSTALL, LOOPBACK, Peer, answers, free_port
from benchmarks.peers.postgis import Cluster, missing, only_position

PROGRAM, FRONT = Path("/usr/lib/cgi-bin/qgis_mapserv.fcgi"), Path("/usr/sbin/lighttpd")
DATABASE, LAYER = "cases_wfs", "cases"
# As many as workers ask at once.
PROCESSES = 2
SCHEMA = """
    CREATE EXTENSION postgis;
    CREATE TABLE cases (
        fid bigserial PRIMARY KEY,
        external_key text,
        title text,
        kind text,
        stage text NOT NULL DEFAULT 'new',
        unit_grid text,
        community text,
        error_m double precision,
        area_m2 double precision,
        payload text,
        geom geometry(Point, 4490)
    );
    CREATE INDEX ON cases (external_key);
"""
# QGIS gives a new id to a layer whose id is of ten characters or fewer.
PROJECT = """<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22.16" projectname="cases">
  <projectCrs><spatialrefsys><authid>EPSG:4490</authid></spatialrefsys></projectCrs>
  <layer-tree-group>
    <layer-tree-layer id="cases_of_town" name="cases" providerKey="postgres"/>
  </layer-tree-group>
  <projectlayers>
    <maplayer type="vector" geometry="Point" wkbType="Point" hasScaleBasedVisibilityFlag="0">
      <id>cases_of_town</id>
      <layername>cases</layername>
      <shortname>cases</shortname>
      <datasource>{source}</datasource>
      <srs><spatialrefsys><authid>EPSG:4490</authid></spatialrefsys></srs>
      <provider encoding="UTF-8">postgres</provider>
      <flags><Identifiable>1</Identifiable><Searchable>1</Searchable></flags>
    </maplayer>
  </projectlayers>
  <properties>
    <WFSLayers type="QStringList"><value>cases_of_town</value></WFSLayers>
    <WFSLayersPrecision><cases_of_town type="int">8</cases_of_town></WFSLayersPrecision>
    <WFSTLayers>
      <Insert type="QStringList"><value>cases_of_town</value></Insert>
      <Update type="QStringList"><value>cases_of_town</value></Update>
      <Delete type="QStringList"><value>cases_of_town</value></Delete>
    </WFSTLayers>
    <WFSUrl type="QString"></WFSUrl>
  </properties>
</qgis>
"""
FRONT_SETTINGS = """
server.modules = ( "mod_fastcgi" )
server.document-root = "{folder}"
server.bind = "{host}"
server.port = {port}
server.errorlog = "{folder}/front.log"
server.max-request-size = 65536
fastcgi.server = ( "/ows" => ((
  "bin-path" => "{program}",
  "socket" => "{folder}/fcgi.sock",
  "max-procs" => {processes},
  "check-local" => "disable",
  "bin-environment" => (
    "QGIS_PROJECT_FILE" => "{folder}/cases.qgs",
    "QGIS_OPTIONS_PATH" => "{folder}",
    "QGIS_SERVER_LOG_STDERR" => "true",
    "QGIS_SERVER_LOG_LEVEL" => "2",
    "PATH" => "/usr/bin:/bin",
    "QT_QPA_PLATFORM" => "offscreen",
    "HOME" => "{folder}"
  )
)))
"""


class Qgis(Peer):
    """QGIS Server behind lighttpd, two processes."""

    name = "qgis-wfst"
    idempotent = False

    @classmethod
    def available(cls) -> str | None:
        """Nothing when QGIS Server, lighttpd and PostGIS are here."""
        if not PROGRAM.exists() or not FRONT.exists():
            return (
                "QGIS Server or lighttpd is not installed: "
                f"apt-get install --no-install-recommends qgis-server lighttpd (or {INSTALL})"
            )
        return missing()

    def _start(self) -> None:
        self.cluster = Cluster(self.folder / "cluster")
        self._undo.callback(self.cluster.stop)
        self.cluster.start()
        self.cluster.create(DATABASE, SCHEMA)
        source = (
            f"dbname='{DATABASE}' host={LOOPBACK} port={self.cluster.port} user='{self.cluster.user}'"
            f" password='{self.cluster.password}' sslmode=disable key='fid' srid=4490 type=Point"
            ' checkPrimaryKeyUnicity=\'0\' table="public"."cases" (geom)'
        )
        (self.folder / "cases.qgs").write_text(PROJECT.format(source=escape(source)), encoding="utf-8")
        port = free_port()
        settings = FRONT_SETTINGS.format(
            folder=self.folder, host=LOOPBACK, port=port, program=PROGRAM, processes=PROCESSES
        )
        (self.folder / "front.conf").write_text(settings)
        self.url = f"http://{LOOPBACK}:{port}/ows"
        asked = f"{self.url}?SERVICE=WFS&VERSION=1.1.0&REQUEST=DescribeFeatureType&TYPENAME={LAYER}"
        self.serve([FRONT, "-D", "-f", self.folder / "front.conf"], ready=lambda: answers(asked, 30.0))
        self.options = {
            "version": "1.1.0",
            "type_name": LAYER,
            "namespace": "http://www.qgis.org/gml",
            "srs": "EPSG:4490",
            "geometry_property": "geometry",
            "key_property": "external_key",
            "stage_property": "stage",
        }

    def counts(self) -> dict[str, int]:
        """Copies of each key in the table."""
        rows = self.cluster.sql(DATABASE, "SELECT external_key, count(*) FROM cases GROUP BY 1")
        return {key: int(n) for key, n in rows}

    def position(self, external_key: str) -> tuple[float, float]:
        """Longitude and latitude as stored; PostGIS keeps x, y whatever the CRS says of its axes."""
        sql = "SELECT ST_X(geom), ST_Y(geom) FROM cases WHERE external_key = :'key' ORDER BY fid"
        return only_position(self.cluster.sql(DATABASE, sql, key=external_key), external_key)

    def files(self, external_key: str) -> int:
        """None: WFS has no place for files."""
        return 0

    def set_stage(self, external_key: str, stage: str) -> None:
        """Writes the column."""
        sql = "UPDATE cases SET stage = :'stage' WHERE external_key = :'key'"
        self.cluster.sql(DATABASE, sql, key=external_key, stage=stage)

    def reset(self) -> None:
        """Empties the table."""
        self.cluster.sql(DATABASE, "TRUNCATE cases")
