"""The tables as queries see them; how they came to be is told by ``migrations``.

Records are kept whole as JSON beside the columns that queries need. Times are UTC. What people did
(verdicts, results, receipts, sign-offs, audit rows) is added and never changed.
"""

import json
from datetime import UTC, date, datetime
from typing import Any, cast

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

from aerial.codec import to_plain
from aerial.errors import LedgerError

_SQLITE_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_DAMAGED = "Restore the ledger from a copy; aerial case verify tells which acts were changed."


class Moment(TypeDecorator[datetime]):
    """A moment: aware in Python, UTC in the database; on SQLite as text, which sorts by time."""

    impl = DateTime(timezone=True).with_variant(String(27), "sqlite")
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Return UTC; a time without an offset is a mistake of the caller."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no UTC offset")
        value = value.astimezone(UTC)
        return f"{value:{_SQLITE_TIME}}" if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return an aware time in UTC."""
        if value is None:
            return None
        if dialect.name != "sqlite":
            return cast("datetime", value.astimezone(UTC))
        try:
            # Thirty times as fast as strptime; what is not in UTC was not written here.
            found = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            found = None
        if found is None or found.tzinfo is not UTC:
            raise LedgerError(f"The ledger holds {value!r} for a time.", hint=_DAMAGED)
        return found


class Day(TypeDecorator[date]):
    """A local day; on SQLite as text, read here so that a damaged one is told."""

    impl = Date().with_variant(String(10), "sqlite")
    cache_ok = True

    def process_bind_param(self, value: date | None, dialect: Dialect) -> Any:
        """Return the day."""
        return value.isoformat() if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> date | None:
        """Return the day."""
        if value is None or dialect.name != "sqlite":
            return cast("date | None", value)
        try:
            return date.fromisoformat(value)
        except (TypeError, ValueError) as exc:
            raise LedgerError(f"The ledger holds {value!r} for a day.", hint=_DAMAGED) from exc


class Plain(TypeDecorator[Any]):
    """A record, or plain data, as JSON text; read back as plain data (``aerial.codec.from_plain``)."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        """Return JSON."""
        return json.dumps(to_plain(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Return plain data."""
        if value is None:
            return None
        try:
            return json.loads(value)
        except ValueError as exc:
            raise LedgerError("The ledger holds a record that is no JSON.", hint=_DAMAGED) from exc


METADATA = MetaData()
# Not "alembic_version": the database at headquarters may hold another program's tables too.
VERSION_TABLE = "aerial_schema"

devices = Table(
    "devices",
    METADATA,
    Column("id", String(26), primary_key=True),
    Column("name", Text, nullable=False),
    Column("made_at", Moment, nullable=False),
)
# One row: which of the devices this ledger is.
device_self = Table(
    "device_self",
    METADATA,
    Column("one", Integer, primary_key=True),
    Column("device", String(26), ForeignKey("devices.id"), nullable=False),
)
# Text as it was hashed: what a database would make of a time or of JSON is not what was signed for.
audit = Table(
    "audit",
    METADATA,
    Column("device", String(26), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("prev", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("audit_subject", "subject"),
)
audit_heads = Table(
    "audit_heads",
    METADATA,
    Column("device", String(26), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("hash", Text, nullable=False),
    Column("recorded_at", Moment, nullable=False),
)
cycles = Table(
    "cycles",
    METADATA,
    Column("start", Day, primary_key=True),
    Column("days", Integer, nullable=False),
)
surveys = Table(
    "surveys",
    METADATA,
    Column("cell", Text, primary_key=True),
    Column("survey", Text, primary_key=True),
    Column("started_at", Moment, nullable=False),
    Column("photos", Integer, nullable=False),
    Column("ortho_sha256", String(64)),
    Column("record_sha256", String(64), nullable=False),
    Index("surveys_started", "started_at"),
)
pairs = Table(
    "pairs",
    METADATA,
    Column("cell", Text, primary_key=True),
    Column("before", Text, primary_key=True),
    Column("after", Text, primary_key=True),
    Column("suspects_sha256", String(64), nullable=False),
    Column("params_sha256", String(64), nullable=False),
    Column("model_sha256", String(64), nullable=False),
    Column("compared_at", Moment, nullable=False),
)
structures = Table(
    "structures",
    METADATA,
    Column("identity", Text, primary_key=True),
    Column("episode", Integer, nullable=False),
    Column("cell", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("decided_on", Day),
    Column("record", Plain, nullable=False),
    Index("structures_cell", "cell"),
    # All that the count of waiting suspects needs: no record is read for it.
    Index("structures_decided", "identity", "episode", "decided_on"),
)
# An identity that turned out to be another one's; a merge makes them.
aliases = Table(
    "aliases",
    METADATA,
    Column("identity", Text, primary_key=True),
    Column("same_as", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("device", String(26), nullable=False),
    Index("aliases_same_as", "same_as"),
)
suspects = Table(
    "suspects",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("identity", Text, ForeignKey("structures.identity"), nullable=False),
    Column("episode", Integer, nullable=False),
    Column("cell", Text, nullable=False),
    Column("pair", Text, nullable=False),
    Column("before_on", Day, nullable=False),
    Column("after_on", Day, nullable=False),
    Column("kind", Text, nullable=False),
    Column("lon_deg", Float, nullable=False),
    Column("lat_deg", Float, nullable=False),
    Column("error_m", Float),
    Column("area_m2", Float, nullable=False),
    Column("height_change_m", Float),
    Column("score", Float, nullable=False),
    Column("relation", Text, nullable=False),
    Column("shown", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("rank", Float, nullable=False),
    Column("params_sha256", String(64), nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("observation", Plain, nullable=False),
    Index("suspects_identity", "identity", "episode"),
    Index("suspects_cell", "cell", "after_on"),
    Index("suspects_after", "after_on"),
    Index("suspects_waiting", "shown", "cell", "identity", "episode", "after_on"),
)
# What a suspect is to each structure that it shows; ``first``: the one that stands in ``suspects``.
sightings = Table(
    "sightings",
    METADATA,
    Column("key", Text, ForeignKey("suspects.key"), primary_key=True),
    Column("identity", Text, ForeignKey("structures.identity"), primary_key=True),
    Column("first", Boolean, nullable=False),
    Column("record", Plain, nullable=False),
    Index("sightings_identity", "identity"),
)
verdicts = Table(
    "verdicts",
    METADATA,
    Column("id", String(26), primary_key=True),
    Column("key", Text, nullable=False),
    Column("identity", Text, nullable=False),
    Column("episode", Integer, nullable=False),
    Column("decision", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("device", String(26), nullable=False),
    Index("verdicts_identity", "identity", "episode"),
    Index("verdicts_key", "key"),
)
cases = Table(
    "cases",
    METADATA,
    Column("external_key", Text, primary_key=True),
    Column("identity", Text, nullable=False),
    Column("episode", Integer, nullable=False),
    Column("suspect_key", Text, nullable=False),
    Column("cell", Text, nullable=False),
    Column("after_on", Day, nullable=False),
    Column("found_at", Moment, nullable=False),
    Column("stage", Text, nullable=False),
    Column("stage_at", Moment),
    Column("deadline", Moment),
    Column("held", Boolean, nullable=False),
    # The verdict that withdrew it before it had arrived anywhere.
    Column("withdrawn", String(26)),
    # The case of the same structure that stands for it: another laptop made one too.
    Column("double_of", Text),
    Column("sinks", Plain, nullable=False),
    Column("record", Plain, nullable=False),
    Index("cases_identity", "identity", "episode"),
    Index("cases_cell", "cell"),
    Index("cases_after", "after_on"),
    Index("cases_stage", "stage", "deadline", "held", "external_key", "cell"),
    Index("cases_held", "held", "external_key"),
    Index("cases_double", "double_of"),
)
outbox = Table(
    "outbox",
    METADATA,
    Column("external_key", Text, ForeignKey("cases.external_key"), primary_key=True),
    Column("sink", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("next_at", Moment, nullable=False),
    Column("sent_at", Moment),
    Column("error", Text),
    Column("worker", Text),
    Column("lease_until", Moment),
    Index("outbox_due", "sink", "state", "next_at"),
)
receipts = Table(
    "receipts",
    METADATA,
    Column("external_key", Text, primary_key=True),
    Column("sink", Text, primary_key=True),
    Column("remote_id", Text, primary_key=True),
    Column("read_at", Moment, primary_key=True),
    Column("distance_m", Float, nullable=False),
    Column("device", String(26), nullable=False),
    Column("record", Plain, nullable=False),
)
results = Table(
    "results",
    METADATA,
    Column("sink", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("external_key", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("stage", Text),
    Column("result", Text),
    Column("read_at", Moment, nullable=False),
    # False while the case is not known here: a laptop may bring it later.
    Column("applied", Boolean, nullable=False),
    Column("record", Plain, nullable=False),
    Index("results_case", "external_key", "at"),
)
cursors = Table(
    "cursors",
    METADATA,
    Column("sink", Text, primary_key=True),
    Column("cursor", Text),
    Column("read_at", Moment, nullable=False),
)
notices = Table(
    "notices",
    METADATA,
    Column("notifier", Text, primary_key=True),
    Column("recipient", Text, primary_key=True),
    Column("digest_key", Text, primary_key=True),
    Column("payload_sha256", String(64), nullable=False),
    Column("claimed_at", Moment, nullable=False),
)
signoffs = Table(
    "signoffs",
    METADATA,
    Column("id", String(26), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("device", String(26), nullable=False),
    Index("signoffs_subject", "kind", "subject"),
)
