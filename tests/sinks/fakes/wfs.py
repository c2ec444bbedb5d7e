"""A WFS 1.1.0 as QGIS Server was seen: longitude first for ``EPSG:n``, an Insert repeated is two."""

from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from tests.sinks.fakes.http import Asked, FakePeer, Said

from aerial.sinks.xml import local, parse_xml

APP, GML = "http://www.qgis.org/gml", "http://www.opengis.net/gml"
CAPABILITIES = (
    '<WFS_Capabilities xmlns="http://www.opengis.net/wfs"><FeatureTypeList><FeatureType><Name>cases</Name>'
    "<DefaultSRS>{srs}</DefaultSRS></FeatureType></FeatureTypeList></WFS_Capabilities>"
)


class WfsFake(FakePeer):
    """Features of one type; ``turns``: takes and gives latitude first whatever the name of the CRS."""

    def __init__(self, *, srs: str = "EPSG:4490", declares: bool = False, turns: bool = False) -> None:
        super().__init__()
        self.srs, self.declares, self.turns = srs, declares, turns
        self.rows: list[dict[str, Any]] = []

    def writes(self, asked: Asked) -> bool:
        """Faults are for transactions."""
        return b"Transaction" in asked.body

    def refusal(self, said: str) -> Said:
        """A report inside of HTTP 200."""
        report = Element("{http://www.opengis.net/ows}ExceptionReport")
        SubElement(report, "ExceptionText").text = "".join(char for char in said if char.isprintable())
        return 200, tostring(report)

    def answer(self, asked: Asked) -> Said:
        """Answer capabilities, transactions and queries."""
        if asked.method == "GET":
            return 200, CAPABILITIES.format(srs=self.srs).encode()
        root = parse_xml(asked.body)
        if local(root) == "Transaction":
            feature = root[0][0]
            values = {local(child): child.text or "" for child in feature}
            point = next(child for child in feature if local(child) == "geometry")[0]
            first, second = (float(text) for text in (point[0].text or "").split())
            north = self.turns or str(point.get("srsName")).startswith("urn:")
            values |= {"x": second if north else first, "y": first if north else second}
            if self.stores:
                self.rows.append(values)
            return 200, b"<TransactionResponse><totalInserted>1</totalInserted></TransactionResponse>"
        return 200, self._features(next((one.text for one in root.iter() if local(one) == "Literal"), None))

    def _features(self, key: str | None) -> bytes:
        told = Element("{http://www.opengis.net/wfs}FeatureCollection")
        for number, row in enumerate(self.rows, 1):
            if key not in (None, row["external_key"]):
                continue
            member = SubElement(told, f"{{{GML}}}featureMember")
            feature = SubElement(member, f"{{{APP}}}cases", {f"{{{GML}}}id": f"cases.{number}"})
            for name, value in row.items():
                if name not in ("x", "y", "geometry"):
                    SubElement(feature, f"{{{APP}}}{name}").text = value
            named = {"srsName": "urn:ogc:def:crs:EPSG::4490"} if self.declares else {}
            point = SubElement(SubElement(feature, f"{{{APP}}}geometry"), f"{{{GML}}}Point", named)
            pair = (row["y"], row["x"]) if self.declares or self.turns else (row["x"], row["y"])
            SubElement(point, f"{{{GML}}}pos").text = f"{pair[0]:.8f} {pair[1]:.8f}"
        return tostring(told, encoding="UTF-8", xml_declaration=True)

    def held(self, key: str) -> list[dict[str, Any]]:
        """The features of a key."""
        return [row for row in self.rows if row["external_key"] == key]
