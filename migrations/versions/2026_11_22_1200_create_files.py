"""Create accounts and files, the outbox, deliveries and commands."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

revision = "2026_11_22_1200"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_accounts()
    _create_files()
    _create_outbox()
    _create_deliveries()
    _create_commands()


def downgrade() -> None:
    for table in ("commands", "deliveries", "outbox", "files", "accounts"):
        op.drop_table(table)


def _create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("verified_at", TIME),
        sa.Column("quota_bytes", sa.BigInteger()),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("email", name="uq_accounts_email"),
    )


def _create_files() -> None:
    op.create_table(
        "files",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text()),
        sa.Column("received_sha256", sa.Text()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("rejected_reason", sa.Text()),
        sa.Column("tags", ARRAY(sa.Text()), nullable=False),
        sa.Column("metadata", JSONB(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("upload_id", sa.Text()),
        sa.Column("part_size", sa.BigInteger()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("search", TSVECTOR()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("expires_at", TIME),
        sa.CheckConstraint("size >= 0", name=op.f("ck_files_size")),
        sa.CheckConstraint(
            "status IN ('pending', 'processing', 'available', 'rejected', 'expired', 'deleted')",
            name=op.f("ck_files_status"),
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["accounts.id"], name="fk_files_owner_id_accounts"),
        sa.PrimaryKeyConstraint("id", name="pk_files"),
    )
    newest_first: list[Any] = ["owner_id", sa.text("created_at DESC"), sa.text("id DESC")]
    op.create_index("ix_files_owner_id_created_at", "files", newest_first)
    op.create_index("ix_files_search", "files", ["search"], postgresql_using="gin")
    can_expire = "status = 'available' AND expires_at IS NOT NULL"
    op.create_index("ix_files_expires_at", "files", ["expires_at"], postgresql_where=can_expire)


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("position", sa.BigInteger()),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("traceparent", sa.Text()),
        sa.Column("recorded_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_outbox"),
        sa.UniqueConstraint("position", name="uq_outbox_position"),
    )
    op.create_index("ix_outbox_unsequenced", "outbox", ["id"], postgresql_where="position IS NULL")
    op.create_index("ix_outbox_stream_position", "outbox", ["stream", "position"])
    op.create_index("ix_outbox_subject_position", "outbox", ["subject", "position"])


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", TIME),
        sa.Column("last_error", sa.Text()),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint("state IN ('due', 'running', 'done', 'dead')", name=op.f("ck_deliveries_state")),
        sa.PrimaryKeyConstraint("consumer", "position", name="pk_deliveries"),
    )
    still_open = "state IN ('due', 'running')"
    op.create_index("ix_deliveries_open", "deliveries", ["consumer", "due_at"], postgresql_where=still_open)
    op.create_index("ix_deliveries_dead", "deliveries", ["consumer", "position"], postgresql_where="state = 'dead'")


def _create_commands() -> None:
    op.create_table(
        "commands",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text()),
        sa.Column("request_hash", sa.LargeBinary()),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("sealed_response", sa.LargeBinary()),
        sa.Column("recorded_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_commands"),
    )
    op.create_index("ix_commands_recorded_at", "commands", ["recorded_at"])
    op.create_index(
        "uq_commands_actor_idempotency_key",
        "commands",
        ["actor", "idempotency_key"],
        unique=True,
        postgresql_where="idempotency_key IS NOT NULL",
    )
