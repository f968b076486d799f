"""One's own file, read by the driver itself: what is asked for most."""

from uuid import UUID

from sqlalchemy import bindparam

from domain.actor import Actor, Scope
from domain.files.errors import FileNotFound
from domain.files.model import File
from domain.files.sight import SEEN, SeenFile
from infra.driver import Driver, Statement

ONE_FILE = Statement.of(SEEN.where(File.id == bindparam("file_id")))


async def seen_file(driver: Driver, actor: Actor, file_id: UUID) -> SeenFile:
    """Raises ScopeMissing, FileNotFound."""
    actor.with_scope(Scope.FILES_READ)
    row = await driver.row(ONE_FILE, {"file_id": file_id})
    if row is None or not actor.owns(row["owner_id"]):
        raise FileNotFound
    return SeenFile(*row)
