"""Deliveries can be discarded, and keep who did so and why."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_1700"
down_revision = "2026_11_22_1200"
branch_labels = None
depends_on = None

STATES = "state IN ('due', 'running', 'done', 'dead')"
WITH_DISCARDED = "state IN ('due', 'running', 'done', 'dead', 'discarded')"


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("discarded_by", sa.Text()))
    op.add_column("deliveries", sa.Column("discard_reason", sa.Text()))
    op.drop_constraint(op.f("ck_deliveries_state"), "deliveries")
    op.create_check_constraint(op.f("ck_deliveries_state"), "deliveries", WITH_DISCARDED)


def downgrade() -> None:
    op.execute("UPDATE deliveries SET state = 'dead' WHERE state = 'discarded'")
    op.drop_constraint(op.f("ck_deliveries_state"), "deliveries")
    op.create_check_constraint(op.f("ck_deliveries_state"), "deliveries", STATES)
    op.drop_column("deliveries", "discard_reason")
    op.drop_column("deliveries", "discarded_by")
