"""Shares of files, the tokens that lead to them, and to whom links are mailed."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_2210"
down_revision = "2026_11_22_2110"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "shares",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("password_hash", sa.Text()),
        sa.Column("message", sa.Text()),
        sa.Column("max_downloads", sa.Integer()),
        sa.Column("downloads", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("revoked_at", TIME),
        sa.CheckConstraint(
            "downloads >= 0 AND (max_downloads IS NULL OR downloads <= max_downloads)", name=op.f("ck_shares_downloads")
        ),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name="fk_shares_file_id_files"),
        sa.PrimaryKeyConstraint("id", name="pk_shares"),
    )
    op.create_index("ix_shares_file_id", "shares", ["file_id", "id"])
    op.create_table(
        "share_tokens",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("share_id", sa.Uuid(), nullable=False),
        _of_its_share("share_tokens"),
        sa.PrimaryKeyConstraint("hash", name="pk_share_tokens"),
    )
    op.create_index("ix_share_tokens_share_id", "share_tokens", ["share_id"])
    op.create_table(
        "share_recipients",
        sa.Column("share_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("mailed_at", TIME),
        _of_its_share("share_recipients"),
        sa.PrimaryKeyConstraint("share_id", "number", name="pk_share_recipients"),
    )


def downgrade() -> None:
    for table in ("share_recipients", "share_tokens", "shares"):
        op.drop_table(table)


def _of_its_share(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_share_id_shares"
    return sa.ForeignKeyConstraint(["share_id"], ["shares.id"], name=name, ondelete="CASCADE")
