"""The first schema. What stands here stays: a later change is another file."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    moment = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
    day = sa.Date().with_variant(sa.String(10), "sqlite")
    op.create_table(
        "devices",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("made_at", moment, nullable=False),
    )
    op.create_table(
        "device_self",
        sa.Column("one", sa.Integer, primary_key=True),
        sa.Column("device", sa.String(26), sa.ForeignKey("devices.id"), nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("device", sa.String(26), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("prev", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_index("audit_subject", "audit", ["subject"])
    op.create_table(
        "audit_heads",
        sa.Column("device", sa.String(26), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("recorded_at", moment, nullable=False),
    )
    op.create_table(
        "cycles",
        sa.Column("start", day, primary_key=True),
        sa.Column("days", sa.Integer, nullable=False),
    )
    op.create_table(
        "surveys",
        sa.Column("cell", sa.Text, primary_key=True),
        sa.Column("survey", sa.Text, primary_key=True),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("photos", sa.Integer, nullable=False),
        sa.Column("ortho_sha256", sa.String(64)),
        sa.Column("record_sha256", sa.String(64), nullable=False),
    )
    op.create_index("surveys_started", "surveys", ["started_at"])
    op.create_table(
        "pairs",
        sa.Column("cell", sa.Text, primary_key=True),
        sa.Column("before", sa.Text, primary_key=True),
        sa.Column("after", sa.Text, primary_key=True),
        sa.Column("suspects_sha256", sa.String(64), nullable=False),
        sa.Column("params_sha256", sa.String(64), nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("compared_at", moment, nullable=False),
    )
    op.create_table(
        "structures",
        sa.Column("identity", sa.Text, primary_key=True),
        sa.Column("episode", sa.Integer, nullable=False),
        sa.Column("cell", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("decided_on", day),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_index("structures_cell", "structures", ["cell"])
    op.create_index("structures_decided", "structures", ["identity", "episode", "decided_on"])
    op.create_table(
        "aliases",
        sa.Column("identity", sa.Text, primary_key=True),
        sa.Column("same_as", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("device", sa.String(26), nullable=False),
    )
    op.create_index("aliases_same_as", "aliases", ["same_as"])
    op.create_table(
        "suspects",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("identity", sa.Text, sa.ForeignKey("structures.identity"), nullable=False),
        sa.Column("episode", sa.Integer, nullable=False),
        sa.Column("cell", sa.Text, nullable=False),
        sa.Column("pair", sa.Text, nullable=False),
        sa.Column("before_on", day, nullable=False),
        sa.Column("after_on", day, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("lon_deg", sa.Float, nullable=False),
        sa.Column("lat_deg", sa.Float, nullable=False),
        sa.Column("error_m", sa.Float),
        sa.Column("area_m2", sa.Float, nullable=False),
        sa.Column("height_change_m", sa.Float),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("relation", sa.Text, nullable=False),
        sa.Column("shown", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("rank", sa.Float, nullable=False),
        sa.Column("params_sha256", sa.String(64), nullable=False),
        sa.Column("seen_at", moment, nullable=False),
        sa.Column("observation", sa.Text, nullable=False),
    )
    op.create_index("suspects_identity", "suspects", ["identity", "episode"])
    op.create_index("suspects_cell", "suspects", ["cell", "after_on"])
    op.create_index("suspects_after", "suspects", ["after_on"])
    op.create_index("suspects_waiting", "suspects", ["shown", "cell", "identity", "episode", "after_on"])
    op.create_table(
        "sightings",
        sa.Column("key", sa.Text, sa.ForeignKey("suspects.key"), primary_key=True),
        sa.Column("identity", sa.Text, sa.ForeignKey("structures.identity"), primary_key=True),
        sa.Column("first", sa.Boolean, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_index("sightings_identity", "sightings", ["identity"])
    op.create_table(
        "verdicts",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("episode", sa.Integer, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("device", sa.String(26), nullable=False),
    )
    op.create_index("verdicts_identity", "verdicts", ["identity", "episode"])
    op.create_index("verdicts_key", "verdicts", ["key"])
    op.create_table(
        "cases",
        sa.Column("external_key", sa.Text, primary_key=True),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("episode", sa.Integer, nullable=False),
        sa.Column("suspect_key", sa.Text, nullable=False),
        sa.Column("cell", sa.Text, nullable=False),
        sa.Column("after_on", day, nullable=False),
        sa.Column("found_at", moment, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("stage_at", moment),
        sa.Column("deadline", moment),
        sa.Column("held", sa.Boolean, nullable=False),
        sa.Column("withdrawn", sa.String(26)),
        sa.Column("double_of", sa.Text),
        sa.Column("sinks", sa.Text, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_index("cases_identity", "cases", ["identity", "episode"])
    op.create_index("cases_cell", "cases", ["cell"])
    op.create_index("cases_after", "cases", ["after_on"])
    op.create_index("cases_stage", "cases", ["stage", "deadline", "held", "external_key", "cell"])
    op.create_index("cases_held", "cases", ["held", "external_key"])
    op.create_index("cases_double", "cases", ["double_of"])
    op.create_table(
        "outbox",
        sa.Column("external_key", sa.Text, sa.ForeignKey("cases.external_key"), primary_key=True),
        sa.Column("sink", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("next_at", moment, nullable=False),
        sa.Column("sent_at", moment),
        sa.Column("error", sa.Text),
        sa.Column("worker", sa.Text),
        sa.Column("lease_until", moment),
    )
    op.create_index("outbox_due", "outbox", ["sink", "state", "next_at"])
    op.create_table(
        "receipts",
        sa.Column("external_key", sa.Text, primary_key=True),
        sa.Column("sink", sa.Text, primary_key=True),
        sa.Column("remote_id", sa.Text, primary_key=True),
        sa.Column("read_at", moment, primary_key=True),
        sa.Column("distance_m", sa.Float, nullable=False),
        sa.Column("device", sa.String(26), nullable=False),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_table(
        "results",
        sa.Column("sink", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("external_key", sa.Text, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("stage", sa.Text),
        sa.Column("result", sa.Text),
        sa.Column("read_at", moment, nullable=False),
        sa.Column("applied", sa.Boolean, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_index("results_case", "results", ["external_key", "at"])
    op.create_table(
        "cursors",
        sa.Column("sink", sa.Text, primary_key=True),
        sa.Column("cursor", sa.Text),
        sa.Column("read_at", moment, nullable=False),
    )
    op.create_table(
        "notices",
        sa.Column("notifier", sa.Text, primary_key=True),
        sa.Column("recipient", sa.Text, primary_key=True),
        sa.Column("digest_key", sa.Text, primary_key=True),
        sa.Column("payload_sha256", sa.String(64), nullable=False),
        sa.Column("claimed_at", moment, nullable=False),
    )
    op.create_table(
        "signoffs",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("device", sa.String(26), nullable=False),
    )
    op.create_index("signoffs_subject", "signoffs", ["kind", "subject"])
