"""What is due is found by when it is due, also while the planner's figures lag behind a backlog."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_2100"
down_revision = "2026_11_22_2000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_deliveries_open", "deliveries")
    waits = sa.text("due_at IS NOT NULL")
    op.create_index("ix_deliveries_due_at", "deliveries", ["consumer", "state", "due_at"], postgresql_where=waits)


def downgrade() -> None:
    op.drop_index("ix_deliveries_due_at", "deliveries")
    still_open = sa.text("state IN ('due', 'running')")
    op.create_index("ix_deliveries_open", "deliveries", ["consumer", "due_at"], postgresql_where=still_open)
