"""What one can ask of files. An actor's queries only ever find what is theirs."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.actor import Actor, Scope
from domain.files.errors import FileNotFound
from domain.files.model import File


async def own_file(session: AsyncSession, actor: Actor, file_id: UUID, *, scope: Scope = Scope.FILES_READ) -> File:
    """Raises ScopeMissing, FileNotFound."""
    actor.with_scope(scope)
    file = await session.scalar(select(File).where(File.id == file_id))
    if file is None or not actor.owns(file.owner_id):
        raise FileNotFound
    return file
