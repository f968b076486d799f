"""A file knows which end of its time its owner was warned of."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_2230"
down_revision = "2026_11_22_2220"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("files", sa.Column("warned_for", sa.DateTime(timezone=True)))
    unwarned = sa.text("status = 'available' AND expires_at IS NOT NULL AND warned_for IS DISTINCT FROM expires_at")
    op.create_index("ix_files_unwarned", "files", ["expires_at"], postgresql_where=unwarned)


def downgrade() -> None:
    op.drop_index("ix_files_unwarned", "files")
    op.drop_column("files", "warned_for")
