"""Consumers say which types they handle, and since when."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_1800"
down_revision = "2026_11_22_1700"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "subscriptions",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "type", name="pk_subscriptions"),
    )


def downgrade() -> None:
    op.drop_table("subscriptions")
