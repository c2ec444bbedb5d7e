"""A city's REST interface as such are seen: HTTP 200 whatever happens, an error code inside, no id returned.

The same case sent twice is two cases there.
"""

import base64
from datetime import datetime, timedelta, timezone
from typing import Any

from tests.sinks.fakes.http import Asked, FakePeer, Said

CHINA = timezone(timedelta(hours=8))


class CityFake(FakePeer):
    """Cases, pictures and acts under ``/case`` and ``/file``."""

    def __init__(self, secret: str) -> None:
        super().__init__()
        self.secret = secret
        self.rows: list[dict[str, Any]] = []
        self.files: list[bytes] = []
        self.acts: list[dict[str, Any]] = []
        self.filters = True

    def writes(self, asked: Asked) -> bool:
        """Faults are for new cases only."""
        return asked.path == "/case/add"

    def refusal(self, said: str) -> Said:
        """An error inside of 200."""
        return 200, {"code": 201, "msg": said}

    def answer(self, asked: Asked) -> Said:
        """Answer in the house's style."""
        form = (
            asked.form()
            if asked.headers.get("content-type", "").startswith(("app", "multi"))
            and ("json" not in asked.headers.get("content-type", ""))
            else {}
        )
        told = [
            asked.headers.get("authorization"), asked.headers.get("x-key"), asked.query.get("uid"),
            form.get("uid"),
        ]  # fmt: skip
        if not {self.secret, f"Bearer {self.secret}"} & set(told):
            return 200, {"code": 401, "msg": "who are you?"}
        if asked.path == "/case/add":
            return self._add(asked, form)
        if asked.path == "/file/upload":
            self.files += [data for _, _, data in asked.files()]
            return 200, {"code": 200, "data": {"url": f"/f/{len(self.files)}.jpg"}}
        if asked.path == "/case/list":
            word = asked.query["keyword"]
            rows = [row for row in self.rows if word in row["memo"] or not self.filters]
            return 200, {"code": 200, "msg": "success", "data": {"rows": rows[:20], "total": len(rows)}}
        if asked.path == "/case/acts":
            since = int(asked.query.get("since") or 0)
            return 200, {"code": "200", "data": {"items": self.acts[since : since + 2], "next": min(
                len(self.acts), since + 2)}}  # fmt: skip
        return 404, b"<html>no such page</html>"

    def _add(self, asked: Asked, form: dict[str, str]) -> Said:
        sent = form or asked.json()
        place = sent.get("place") or sent
        row = {
            "id": 1000 + len(self.rows), "memo": sent["memo"], "content": sent.get("content", ""),
            "lng": str(place["lng"]), "lat": str(place["lat"]), "status": 0, "area": sent.get("area"),
            "pictures": self._pictures(sent, asked),
        }  # fmt: skip
        if self.stores:
            self.rows.append(row)
        return 200, {"code": 200, "msg": "success"}

    def _pictures(self, sent: dict[str, Any], asked: Asked) -> list[str]:
        found = [name for _, name, _ in asked.files()]
        listed = sent.get("pics") or []
        listed = listed.split(",") if isinstance(listed, str) else listed
        for text in listed:
            assert text.startswith("/f/") or base64.b64decode(text, validate=True).startswith(b"\xff\xd8")
        return found + listed

    def held(self, key: str) -> list[dict[str, Any]]:
        """The rows of a key."""
        return [row for row in self.rows if row["memo"] in (key, f"[aerial:{key}]")]

    def act(self, key: str, at: datetime, status: str, note: str) -> None:
        """Let an officer do something; times are local and say no offset."""
        local = at.astimezone(CHINA)
        self.acts.append(
            {"act": f"A{len(self.acts)}", "memo": f"[aerial:{key}]", "time": f"{local:%Y-%m-%d %H:%M:%S}",
             "status": status, "result": "", "officer": "张三", "say": note}
        )  # fmt: skip
