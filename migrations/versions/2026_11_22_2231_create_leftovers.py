"""What lies in S3 and belongs to no file is written down before it is removed."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_2231"
down_revision = "2026_11_22_2230"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "leftovers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("upload_id", sa.Text()),
        sa.Column("size", sa.BigInteger()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("found_at", TIME, nullable=False),
        sa.Column("removed_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_leftovers"),
    )
    op.create_index("ix_leftovers_file_id", "leftovers", ["file_id"])
    op.create_index("ix_leftovers_unremoved", "leftovers", ["found_at"], postgresql_where=sa.text("removed_at IS NULL"))


def downgrade() -> None:
    op.drop_table("leftovers")
