"""Files are found by an inverted index whose lexemes carry their owner's mark, and in the order of date, name or size.

What was indexed before is found by words, name, tag and type again after
`waybill replay --consumer index_file --type file.available`; names are sorted by Postgres's own folding until then.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_2110"
down_revision = "2026_11_22_2100"
branch_labels = None
depends_on = None

FOLDED = "left(lower(normalize(name, NFKC)), 600)"


def upgrade() -> None:
    op.drop_index("ix_files_search", "files")
    op.drop_index("ix_files_owner_id_created_at", "files")
    op.add_column("files", sa.Column("name_folded", sa.Text(collation="C")))
    op.execute(f"UPDATE files SET name_folded = {FOLDED}, search = NULL")  # noqa: S608 - a constant
    op.alter_column("files", "name_folded", nullable=False)
    for column in ("created_at", "name_folded", "size"):
        op.create_index(f"ix_files_owner_id_status_{column}", "files", ["owner_id", "status", column, "id"])
    can_expire = "status = 'available' AND expires_at IS NOT NULL"
    op.create_index("ix_files_owner_id_expires_at", "files", ["owner_id", "expires_at"], postgresql_where=can_expire)
    op.create_index(
        "ix_files_search",
        "files",
        ["search"],
        postgresql_using="gin",
        postgresql_with={"gin_pending_list_limit": 512},
    )


def downgrade() -> None:
    op.drop_index("ix_files_search", "files")
    op.drop_index("ix_files_owner_id_expires_at", "files")
    for column in ("size", "name_folded", "created_at"):
        op.drop_index(f"ix_files_owner_id_status_{column}", "files")
    op.drop_column("files", "name_folded")
    op.execute("UPDATE files SET search = NULL")
    newest_first: list[Any] = ["owner_id", sa.text("created_at DESC"), sa.text("id DESC")]
    op.create_index("ix_files_owner_id_created_at", "files", newest_first)
    op.create_index("ix_files_search", "files", ["search"], postgresql_using="gin")
