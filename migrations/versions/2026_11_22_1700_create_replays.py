"""Deliveries can be replayed and discarded, with who asked and why; a removal is told once."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "2026_11_22_1700"
down_revision = "2026_11_22_1200"
branch_labels = None
depends_on = None

STILL_OPEN = "state IN ('due', 'running')"
STATES = "state IN ('due', 'running', 'done', 'dead')"
WITH_DISCARDED = "state IN ('due', 'running', 'done', 'dead', 'discarded')"


def upgrade() -> None:
    _create_replays()
    op.add_column("files", sa.Column("removed_at", sa.DateTime(timezone=True)))
    op.add_column("deliveries", sa.Column("replay_id", sa.Uuid()))
    op.add_column("deliveries", sa.Column("before_replay", sa.Text()))
    replayed = "replay_id IS NOT NULL"
    op.create_index("ix_deliveries_replay_id", "deliveries", ["replay_id"], postgresql_where=replayed)
    order = ["consumer", "subject", "position"]
    op.create_index("ix_deliveries_open_subject", "deliveries", order, postgresql_where=STILL_OPEN)
    op.add_column("deliveries", sa.Column("discarded_by", sa.Text()))
    op.add_column("deliveries", sa.Column("discard_reason", sa.Text()))
    op.drop_constraint(op.f("ck_deliveries_state"), "deliveries")
    op.create_check_constraint(op.f("ck_deliveries_state"), "deliveries", WITH_DISCARDED)


def downgrade() -> None:
    op.execute("UPDATE deliveries SET state = 'dead' WHERE state = 'discarded'")
    op.drop_constraint(op.f("ck_deliveries_state"), "deliveries")
    op.create_check_constraint(op.f("ck_deliveries_state"), "deliveries", STATES)
    op.drop_index("ix_deliveries_open_subject", "deliveries")
    op.drop_index("ix_deliveries_replay_id", "deliveries")
    for column in ("discard_reason", "discarded_by", "before_replay", "replay_id"):
        op.drop_column("deliveries", column)
    op.drop_column("files", "removed_at")
    op.drop_table("replays")


def _create_replays() -> None:
    op.create_table(
        "replays",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("consumer", sa.Text()),
        sa.Column("to_stream", sa.Text()),
        sa.Column("selection", JSONB(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("replayed", sa.BigInteger(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("state IN ('running', 'done', 'cancelled')", name=op.f("ck_replays_state")),
        sa.PrimaryKeyConstraint("id", name="pk_replays"),
    )
