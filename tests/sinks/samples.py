"""Cases as the sinks get them, plain and hostile."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from shapely.geometry import box

from aerial.geo import LonLat
from aerial.records import Authority, Case, Matter, Suspect

AT = LonLat(lon_deg=113.75123456, lat_deg=22.80765432)
KEY = "01JD8ZK3V5N6Q7R8S9T0ABCDEF-1"
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4 + b"\xff\xd9"


def sample_case(external_key: str = KEY, at: LonLat = AT, **changes: Any) -> Case:
    """A case of a new building of 100 m2 at Chang'an."""
    identity, _, episode = external_key.rpartition("-")
    x, y = at.lon_deg, at.lat_deg
    outline = box(x - 5e-5, y - 5e-5, x + 5e-5, y + 5e-5)
    suspect = Suspect(
        key="a1b2c3d4", pair="2026-06-01-1__2026-06-15-1", kind="new", outline=outline, at=at, error_m=0.8,
        area_m2=104.25, height_change_m=3.1, score=0.93, model_sha256="0" * 64, chips=(),
    )  # fmt: skip
    case: dict[str, Any] = {
        "external_key": external_key, "suspect": suspect, "cell": "c017", "unit_grid": "441900119012007",
        "community": "长安社区", "secrecy": "internal", "previous": None, "evidence": (),
        "identity": identity or external_key, "episode": int(episode) if episode.isdigit() else 1, "at": at,
        "error_m": 1.6, "before_on": date(2026, 6, 1), "after_on": date(2026, 6, 15),
        "found_at": datetime(2026, 6, 15, 3, 0, tzinfo=UTC), "params_sha256": "1" * 64,
        "matter": Matter(table="GB/T 47678.5", code="44190006001", name="私搭乱建"),
        "authority": Authority(code="11441900007330000X", name="长安镇综合行政执法局"),
        "address": "长安镇锦厦社区东门中路 17 号东侧",
    }  # fmt: skip
    return Case(**(case | changes))


def pictures(folder: Path, *names: str) -> list[Path]:
    """Small files that begin and end as JPEG."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number, name in enumerate(names or ("before.jpg", "after.jpg")):
        found.append(folder / name)
        found[-1].write_bytes(JPEG + bytes([number]))
    return found


HOSTILE = {
    "quotes": """a'b"c`d\\e%27 OR 1=1; DROP TABLE cases;--""",
    "markup": "<script>alert(1)</script><!--&amp;&lt;]]><![CDATA[x]]>",
    "lines": "first\r\nSet-Cookie: a=b\r\n\r\nsecond\n--boundary--\n",
    "nul": "before\x00after\x1b[31m\x07",
    "long": "违" * 10_000,
    "emoji": "房子🏠👨‍👩‍👧 ﷽ é e\u0301 \u202eabc",
    "paths": "../../../etc/passwd ..\\..\\windows %2e%2e%2f",
    "templates": "{external_key} {{7*7}} ${jndi:ldap://x} %s %(a)s #{1+1}",
    "half pair": "a\ud800b",
    "mark": "[aerial:01OTHER-1] and more",
    "form": "a=1&api_key=x&lat=0;b[]=2",
    "formula": "=HYPERLINK(1)",
}
