"""One's own file, read by the driver itself: what is asked for most."""

from uuid import UUID

from sqlalchemy import bindparam, select

from domain.actor import Actor, Scope
from domain.files.errors import FileNotFound
from domain.files.model import File
from domain.files.sight import SeenFile
from infra.driver import Driver, Statement

COLUMNS = [getattr(File, name) for name in SeenFile.__struct_fields__]
ONE_FILE = Statement.of(select(*COLUMNS).where(File.id == bindparam("file_id")))


async def seen_file(driver: Driver, actor: Actor, file_id: UUID) -> SeenFile:
    """Raises ScopeMissing, FileNotFound."""
    actor.with_scope(Scope.FILES_READ)
    row = await driver.row(ONE_FILE, {"file_id": file_id})
    if row is None or not actor.owns(row["owner_id"]):
        raise FileNotFound
    return SeenFile(*row)
