"""Redmine and Roundup as the real ones were seen: what they ignore, what they refuse, what they double."""

import json
from datetime import UTC, datetime
from typing import Any

from tests.sinks.fakes.http import Asked, FakePeer, Said

KEY, LON, LAT = 1, 2, 3
STATUSES = {"1": "New", "2": "In Progress", "5": "Closed"}


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class RedmineFake(FakePeer):
    """Issues with custom fields; a filter by a field that is no filter is ignored, as Redmine does."""

    def __init__(self, secret: str, *, filters: bool = True) -> None:
        super().__init__()
        self.secret, self.filters = secret, filters
        self.issues: list[dict[str, Any]] = []
        self.uploads: dict[str, bytes] = {}

    def writes(self, asked: Asked) -> bool:
        """Faults are for the issue; an upload alone is no case."""
        return asked.method == "POST" and asked.path == "/issues.json"

    def refusal(self, said: str) -> Said:
        """As a validation that failed."""
        return 422, {"errors": [said]}

    def answer(self, asked: Asked) -> Said:
        """Answer the four addresses that are used."""
        if asked.headers.get("x-redmine-api-key") != self.secret:
            return 401, b""
        if asked.path == "/issue_statuses.json":
            return 200, {"issue_statuses": [{"id": int(n), "name": name} for n, name in STATUSES.items()]}
        if asked.path == "/uploads.json":
            token = f"{len(self.uploads) + 1}.abc"
            self.uploads[token] = asked.body
            return 201, {"upload": {"id": len(self.uploads), "token": token}}
        if asked.path != "/issues.json":
            number = asked.path.removeprefix("/issues/").removesuffix(".json")
            return next(
                ((200, {"issue": one}) for one in self.issues if str(one["id"]) == number), (404, b"")
            )
        if asked.method == "POST":
            return self._post(asked.json()["issue"])
        rows = [one for one in self.issues if self._wanted(one, asked.query)]
        by_time = asked.query.get("sort", "").startswith("updated_on")
        rows.sort(key=lambda one: (one["updated_on"] if by_time else "", one["id"]))
        first = int(asked.query.get("offset", 0))
        return 200, {"issues": rows[first : first + min(100, int(asked.query["limit"]))]}

    def _wanted(self, one: dict[str, Any], query: dict[str, str]) -> bool:
        asked = query.get(f"cf_{KEY}", "*").removeprefix("=") if self.filters else "*"
        if asked not in ("*", self.key(one)):
            return False
        since = query.get("updated_on", ">=").removeprefix(">=")
        return bool(one["updated_on"] >= since)

    def _post(self, issue: dict[str, Any]) -> Said:
        if not str(issue.get("subject", "")).strip() or len(issue["subject"]) > 255:
            return 422, {"errors": ["Subject is too long or blank"]}
        if not self.stores:
            return 201, {"issue": {"id": 77}}
        return 201, {"issue": self.add(issue)}

    def add(self, issue: dict[str, Any]) -> dict[str, Any]:
        """Store an issue."""
        now = _iso(datetime.now(UTC))
        made = {
            "id": len(self.issues) + 1, "status": {"id": 1, "name": "New"}, "journals": [],
            "created_on": now, "updated_on": now, "subject": issue["subject"],
            "description": issue.get("description", ""), "attachments": issue.get("uploads", []),
            "custom_fields": [{**one, "value": str(one["value"])} for one in issue["custom_fields"]],
        }  # fmt: skip
        self.issues.append(made)
        return made

    @staticmethod
    def key(one: dict[str, Any]) -> str:
        """The external key of an issue."""
        return next(str(field["value"]) for field in one["custom_fields"] if field["id"] == KEY)

    def held(self, key: str) -> list[dict[str, Any]]:
        """The issues of a key."""
        return [one for one in self.issues if self.key(one) == key]

    def act(self, key: str, at: datetime, status: str, note: str) -> None:
        """Let an officer change the status."""
        one = self.held(key)[0]
        number = next(number for number, name in STATUSES.items() if name == status)
        details = [{"property": "attr", "name": "status_id", "old_value": "1", "new_value": number}]
        one["journals"].append(
            {"id": 1000 * one["id"] + len(one["journals"]), "user": {"name": "Li Lei"}, "notes": note,
             "created_on": _iso(at), "details": details}
        )  # fmt: skip
        one |= {"status": {"id": int(number), "name": status}, "updated_on": _iso(at)}


class RoundupFake(FakePeer):
    """Issues through one-time links; a property that is asked for without a colon matches in part."""

    def __init__(self, secret: str) -> None:
        super().__init__()
        self.secret = secret
        self.issues: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.links: set[str] = set()
        self.made_links = 0

    def writes(self, asked: Asked) -> bool:
        """Faults are for the issue."""
        return "/@poe/" in asked.path

    def refusal(self, said: str) -> Said:
        """In Roundup's words."""
        return 400, {"error": {"status": 400, "msg": said}}

    def answer(self, asked: Asked) -> Said:
        """Answer what lies below rest/data."""
        if asked.method != "GET" and not (
            asked.headers.get("origin") and asked.headers.get("x-requested-with")
        ):
            return 400, {"error": {"status": 400, "msg": "Origin header is missing"}}
        path = asked.path.removeprefix("/rest/data/")
        if path == "issue/@poe":
            self.made_links += 1
            self.links.add(f"t{self.made_links}")
            return 200, {"data": {"link": f"http://another.example/rest/data/issue/@poe/t{self.made_links}"}}
        if path.startswith("issue/@poe/"):
            return self._post(path.rpartition("/")[2], asked.json())
        if path == "file":
            ((_, _, content),) = asked.files()
            self.files[str(len(self.files) + 1)] = content
            return 201, {"data": {"id": str(len(self.files))}}
        if path.startswith("issue/"):
            return self._one(asked, path.rpartition("/")[2])
        return self._list(asked.query)

    def _post(self, token: str, issue: dict[str, Any]) -> Said:
        if token not in self.links:
            return 400, {"error": {"status": 400, "msg": f"POE token '{token}' not valid."}}
        # It is gone before the issue is made, whatever becomes of that.
        self.links.remove(token)
        return 201, {"data": {"id": self.add(issue) if self.stores else "77"}}

    def add(self, issue: dict[str, Any]) -> str:
        """Store an issue."""
        now = datetime.now(UTC).strftime("%Y-%m-%d.%H:%M:%S")
        number = str(len(self.issues) + 1)
        made = {
            "id": number, "status": {"id": "1", "link": "x", "name": "unread"}, "creation": now,
            "activity": now, "actor": {"id": "1", "link": "x", "username": "admin"}, **issue,
            "lon": float(issue["lon"]), "lat": float(issue["lat"]),
        }  # fmt: skip
        self.issues.append(made)
        return number

    def _one(self, asked: Asked, number: str) -> Said:
        one = self.issues[int(number) - 1]
        tag = f'"{hash(json.dumps(one, sort_keys=True))}"'
        if asked.method == "PUT":
            if asked.headers.get("if-match") != tag:
                return 412, {"error": {"status": 412, "msg": "wrong etag"}}
            one |= asked.json()
            return 200, {"data": {}}
        return 200, {"data": {"@etag": tag, "id": number}}

    def _list(self, query: dict[str, str]) -> Said:
        rows = self.issues
        if "external_key:" in query:
            rows = [one for one in rows if one["external_key"] == query["external_key:"]]
        if "external_key" in query:
            rows = [one for one in rows if query["external_key"] in one["external_key"]]
        if "activity" in query:
            rows = [one for one in rows if one["activity"] >= query["activity"].rstrip(";")]
        rows = sorted(
            rows, key=lambda one: one["activity"] if "activity" in query["@sort"] else int(one["id"])
        )
        wanted = {"id", *query["@fields"].split(",")}
        return 200, {
            "data": {"collection": [{k: v for k, v in one.items() if k in wanted} for one in rows[:50]]}
        }

    def held(self, key: str) -> list[dict[str, Any]]:
        """The issues of a key."""
        return [one for one in self.issues if one["external_key"] == key]

    def act(self, key: str, at: datetime, status: str, note: str) -> None:
        """Let an officer change the status."""
        self.held(key)[0].update(
            status={"id": "5", "link": "x", "name": status}, told=note,
            activity=at.astimezone(UTC).strftime("%Y-%m-%d.%H:%M:%S"), actor={"id": "4", "username": "lilei"},
        )  # fmt: skip
