"""The outbox knows whose an event is, so that everybody can follow their own without looking through all others.

A generated column: what a process of the version before writes meanwhile has an owner too.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_2240"
down_revision = "2026_11_22_2231"
branch_labels = None
depends_on = None

OWNER = "coalesce(data ->> 'owner_id', data ->> 'account_id')::uuid"


def upgrade() -> None:
    op.add_column("outbox", sa.Column("owner_id", sa.Uuid(), sa.Computed(OWNER, persisted=True)))
    op.create_index("ix_outbox_owner_id_position", "outbox", ["owner_id", "position"])


def downgrade() -> None:
    op.drop_index("ix_outbox_owner_id_position", "outbox")
    op.drop_column("outbox", "owner_id")
