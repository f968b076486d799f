"""An upload that goes straight to S3 ends by itself, unless its client asks for fresh URLs."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_2215"
down_revision = "2026_11_22_2210"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("files", sa.Column("upload_expires_at", sa.DateTime(timezone=True)))
    op.execute("UPDATE files SET upload_expires_at = created_at + interval '24 hours' WHERE status = 'pending'")
    pending = sa.text("status = 'pending'")
    op.create_index("ix_files_upload_expires_at", "files", ["upload_expires_at"], postgresql_where=pending)


def downgrade() -> None:
    op.drop_index("ix_files_upload_expires_at", "files")
    op.drop_column("files", "upload_expires_at")
