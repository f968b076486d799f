"""What one can ask of files. An actor's queries only ever find what is theirs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from domain.actor import Actor, Scope
from domain.aggregate import now
from domain.files.errors import FileNotFound
from domain.files.model import File, Status
from domain.files.search import search_query


@dataclass(frozen=True, kw_only=True)
class FileSearch:
    q: str | None = None
    type: str | None = None
    status: Status = Status.AVAILABLE
    after: tuple[datetime, UUID] | None = None
    """The last row of the page before: its `created_at` and id."""


async def own_file(session: AsyncSession, actor: Actor, file_id: UUID, *, scope: Scope = Scope.FILES_READ) -> File:
    """Raises ScopeMissing, FileNotFound."""
    actor.with_scope(scope)
    file = await session.scalar(select(File).where(File.id == file_id))
    if file is None or not actor.owns(file.owner_id):
        raise FileNotFound
    return file


def own_files(actor: Actor, search: FileSearch, *, limit: int) -> Select[Any]:
    """The actor's files, newest first; keyset paging, so that writes in between move nothing."""
    query = select(File).where(
        File.owner_id == actor.with_scope(Scope.FILES_READ).account_id, _has_status(search.status)
    )
    if search.q is not None:
        words = search_query(search.q)
        query = query.where(File.search.op("@@")(words) if words is not None else File.id.is_(None))
    if search.type is not None:
        query = query.where(_has_type(search.type))
    if search.after is not None:
        query = query.where(tuple_(File.created_at, File.id) < tuple_(*search.after))
    return query.order_by(File.created_at.desc(), File.id.desc()).limit(limit)


def _has_status(status: Status) -> ColumnElement[bool]:
    over = and_(File.expires_at.is_not(None), File.expires_at <= now())
    if status is Status.AVAILABLE:
        return and_(File.status == status, ~over)
    if status is Status.EXPIRED:
        return or_(File.status == status, and_(File.status == Status.AVAILABLE, over))
    return File.status == status


def _has_type(type_: str) -> ColumnElement[bool]:
    """`image/png` is that type alone, `image/` every image."""
    if type_.endswith("/"):
        return File.content_type.startswith(type_, autoescape=True)
    return File.content_type == type_
