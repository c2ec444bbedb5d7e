"""An Open311 server as one was seen: 201 instead of 200, and a second case for the same POST."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.sinks.fakes.http import Asked, FakePeer, Said


class Open311Fake(FakePeer):
    """Requests of two services; lists at most ``most_rows``, in pages where it ``pages``."""

    def __init__(self, secret: str, *, most_rows: int = 1000, pages: bool = False) -> None:
        super().__init__()
        self.secret, self.most_rows, self.pages = secret, most_rows, pages
        self.rows: list[dict[str, Any]] = []
        self.media: dict[str, int] = {}

    def refusal(self, said: str) -> Said:
        """In the specification's words."""
        return 400, [{"code": 400, "description": said}]

    def answer(self, asked: Asked) -> Said:
        """Answer services and requests."""
        if asked.path == "/services.json":
            return 200, [{"service_code": "171", "service_name": "a"}, {"service_code": "180"}]
        if asked.path != "/requests.json":
            return 404, b"<h1>Not Found</h1>"
        if asked.method == "POST":
            return self._post(asked)
        start, end = (datetime.fromisoformat(asked.query[name]) for name in ("start_date", "end_date"))
        if end - start > timedelta(days=90):
            return 400, [{"code": 400, "description": "more than 90 days"}]
        rows = [
            row for row in self.rows
            if row["service_code"] == asked.query["service_code"]
            and start <= datetime.fromisoformat(row["requested_datetime"]) <= end
        ]  # fmt: skip
        first = (int(asked.query.get("page", 1)) - 1) * self.most_rows if self.pages else 0
        return 200, rows[first : first + self.most_rows]

    def _post(self, asked: Asked) -> Said:
        form = asked.form()
        if form.get("api_key") != self.secret:
            return 400, [{"code": 400, "description": "api_key is wrong"}]
        if form["service_code"] not in ("171", "180"):
            return 404, [{"code": 404, "description": "service_code"}]
        number = self.add(form, datetime.now(UTC)) if self.stores else "77"
        self.media[number] = len(asked.files())
        return 201, [{"service_request_id": number, "service_notice": ""}]

    def add(self, form: dict[str, str], at: datetime) -> str:
        """Store one request, as of some time."""
        number = str(len(self.rows) + 1)
        self.rows.append(
            {
                "service_request_id": number, "status": "open", "service_code": form["service_code"],
                "description": form["description"], "lat": float(form["lat"]), "long": float(form["long"]),
                "address": form.get("address_string"), "requested_datetime": at.isoformat(),
                "updated_datetime": at.isoformat(), "status_notes": None,
            }
        )  # fmt: skip
        return number

    def held(self, key: str) -> list[dict[str, Any]]:
        """The requests of a key."""
        return [row for row in self.rows if row["description"].startswith(f"[aerial:{key}] ")]
