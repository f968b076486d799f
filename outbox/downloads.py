"""A download is counted, told and let through by one statement: nobody gets a URL that no event tells of.

The file's row is held meanwhile, as commands hold it: once an event says that a file is gone, none follows that says it
was downloaded.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain import secret
from domain.accounts import passwords
from domain.actor import Actor, Scope
from domain.aggregate import new_id, now
from domain.cause import cause
from domain.errors import Busy
from domain.files.presentation import Content
from domain.files.queries import own_file
from domain.shares.errors import SharePasswordMissing, SharePasswordWrong
from domain.shares.queries import SharedFile, shared_file

AVAILABLE = "f.status = 'available' AND (f.expires_at IS NULL OR f.expires_at > :now)"
FILE = "f.id, f.owner_id, f.name, f.size, f.content_type, f.sha256, f.version, f.key"
TELL = """
INSERT INTO outbox (event_id, stream, type, subject, data, recorded_at, traceparent)
SELECT CAST(:event_id AS uuid), 'waybill:files', 'file.downloaded', id, json_build_object(
    'file_id', id, 'owner_id', owner_id, 'name', name, 'size', size, 'content_type', content_type, 'sha256', sha256,
    'version', version, 'share_id', share_id, 'downloads', downloads
), CAST(:now AS timestamptz), CAST(:traceparent AS text)
"""
BY_OWNER = text(f"""
WITH found AS (
    SELECT {FILE}, f.expires_at, CAST(NULL AS uuid) AS share_id, CAST(NULL AS integer) AS downloads
    FROM files f WHERE f.id = :file_id AND f.owner_id = :owner_id AND {AVAILABLE} FOR KEY SHARE
), told AS ({TELL} FROM found)
SELECT name, content_type, key, expires_at FROM found
""")
# Of many who update one row at once, each looks again at what the one before has left.
BY_SHARE = text(f"""
WITH found AS (
    SELECT {FILE}, least(f.expires_at, s.expires_at) AS expires_at, s.id AS share_id
    FROM share_tokens t JOIN shares s ON s.id = t.share_id JOIN files f ON f.id = s.file_id
    JOIN accounts a ON a.id = f.owner_id
    WHERE t.hash = :hash AND a.deleted_at IS NULL AND {AVAILABLE} FOR KEY SHARE OF f
), counted AS (
    UPDATE shares SET downloads = shares.downloads + 1 FROM found
    WHERE shares.id = found.share_id AND shares.revoked_at IS NULL
    AND (shares.expires_at IS NULL OR shares.expires_at > :now)
    AND (shares.max_downloads IS NULL OR shares.downloads < shares.max_downloads)
    AND shares.password_hash IS NOT DISTINCT FROM CAST(:password_hash AS text)
    RETURNING found.*, shares.downloads
), told AS ({TELL} FROM counted)
SELECT name, content_type, key, expires_at FROM counted
""")


async def download_own(session: AsyncSession, actor: Actor, file_id: UUID) -> Content:
    """Raises ScopeMissing, FileNotFound, FileGone, FileNotReady."""
    actor.with_scope(Scope.FILES_READ)
    values = {"file_id": file_id, "owner_id": actor.account_id}
    if (content := await _told(session, BY_OWNER, values, at_once=True)) is not None:
        return content
    (await own_file(session, actor, file_id)).require_content()
    raise Busy


async def download_shared(session: AsyncSession, token: str, password: str | None, *, at_once: bool) -> Content:
    """`at_once`: in a transaction of its own, which is one round trip.

    Raises ShareNotFound, ShareExpired, ShareUsedUp, FileGone, FileNotReady, SharePasswordMissing, SharePasswordWrong,
    PasswordsBusy.
    """
    values: dict[str, Any] = {"hash": secret.hashed(token), "password_hash": None}
    if (content := await _told(session, BY_SHARE, values, at_once=at_once)) is not None:
        return content
    values["password_hash"] = (await look_at_shared(session, token, password)).share.password_hash
    if (content := await _told(session, BY_SHARE, values, at_once=at_once)) is not None:
        return content
    await shared_file(session, token)  # others were quicker
    raise Busy


async def look_at_shared(session: AsyncSession, token: str, password: str | None) -> SharedFile:
    """What `download_shared` would let through, not counted. Raises what that raises."""
    found = await shared_file(session, token)
    if found.share.password_hash is not None:
        if password is None:
            raise SharePasswordMissing
        if not await passwords.matches(password, found.share.password_hash):
            raise SharePasswordWrong
    found.file.require_content()
    return found


async def _told(
    session: AsyncSession, statement: TextClause, values: dict[str, Any], *, at_once: bool
) -> Content | None:
    if at_once and not session.in_transaction():
        await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
    told = {"event_id": new_id(), "now": now(), "traceparent": cause()}
    row = (await session.execute(statement, {**values, **told})).one_or_none()
    return None if row is None else Content(*row)
