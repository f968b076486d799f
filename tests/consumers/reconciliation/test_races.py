"""Whatever happens between looking and repairing: nothing is removed that somebody is writing or needs."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.reconciliation.comparing import Comparison
from consumers.reconciliation.finding import Kind
from consumers.reconciliation.repairing import Repair
from domain.accounts.model import Account
from domain.actor import Actor
from domain.aggregate import new_id
from domain.event import Event
from domain.files.commands import AcceptUpload, accept_upload
from domain.files.finalization import Measured, verdict
from domain.files.model import File
from domain.files.promise import Place, Promise, object_key
from domain.leftovers.commands import BytesTakenBack
from domain.leftovers.events import ObjectRemoved
from infra import failpoints
from infra.storage import Storage
from tests.consumers.reconciliation.conftest import Compare, a_file, found, is_gone, kinds, put, repaired, with_object
from tests.database import Database
from tests.factories import a_processing_file, an_available_file
from tests.outbox.conftest import History


class Died(Exception):
    """As a process would."""


@pytest.fixture
def dies_at() -> Iterator[list[str]]:
    """Failpoints at which the process ends."""
    names: list[str] = []

    def reached(name: str) -> None:
        if name in names:
            raise Died

    failpoints.arm(reached)
    yield names
    failpoints.arm(None)


class Streamed:
    """An upload through us: its bytes lie in S3 already, its row comes now."""

    def __init__(self, storage: Storage, owner: Account) -> None:
        self.storage, self.actor, self.file_id = storage, Actor(owner.id), new_id()
        self.key = object_key(self.file_id)

    async def bytes_come(self) -> None:
        await put(self.storage, self.key)

    async def row_comes(self, session: AsyncSession) -> File:
        promise = Promise(name="report.pdf", size=3, content_type="application/pdf")
        place = Place(file_id=self.file_id, bucket=self.storage.bucket, key=self.key)
        command = AcceptUpload(promise=promise, place=place, default_quota=100, received_sha256="0" * 64)
        return await accept_upload(session, self.actor, command)


@pytest.fixture
async def streamed(bucket: Storage, owner: Account) -> Streamed:
    upload = Streamed(bucket, owner)
    await upload.bytes_come()
    return upload


async def removals(database: Database) -> list[Event]:
    return [event for event in await database.recorded() if isinstance(event, ObjectRemoved)]


async def test_an_upload_whose_row_comes_after_the_look_keeps_its_bytes(
    compare: Compare, bucket: Storage, database: Database, streamed: Streamed
) -> None:
    findings = await found(compare())
    async with database.sessions.begin() as session:
        await streamed.row_comes(session)

    assert [each.kind for each in findings] == [Kind.OBJECT_WITHOUT_ROW]
    assert await Repair.of(compare()).all(findings) == {}
    assert not await is_gone(bucket, streamed.key)
    assert await removals(database) == []


async def test_an_upload_that_is_about_to_commit_is_waited_for(
    compare: Compare, bucket: Storage, database: Database, streamed: Streamed
) -> None:
    findings = await found(compare())
    async with database.sessions.begin() as session:
        await streamed.row_comes(session)
        await session.flush()
        repairing = asyncio.create_task(Repair.of(compare()).all(findings))
        while not await database.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            assert not repairing.done()

    assert await repairing == {}
    assert not await is_gone(bucket, streamed.key)


async def test_an_upload_that_comes_too_late_is_refused_and_knows_it(
    compare: Compare, bucket: Storage, database: Database, streamed: Streamed, dies_at: list[str]
) -> None:
    dies_at.append("reconcile.after_condemn")
    with pytest.raises(Died):
        await repaired(compare())

    with pytest.raises(BytesTakenBack):
        async with database.sessions.begin() as session:
            await streamed.row_comes(session)

    assert await database.rows("SELECT 1 FROM files") == []


@pytest.mark.parametrize("failpoint", ["reconcile.after_condemn", "reconcile.after_removal"])
async def test_what_a_crash_leaves_is_finished_and_told_once(
    compare: Compare, bucket: Storage, database: Database, dies_at: list[str], failpoint: str
) -> None:
    key = await put(bucket, object_key(new_id()))
    dies_at.append(failpoint)
    with pytest.raises(Died):
        await repaired(compare())
    dies_at.clear()

    for _ in range(2):
        await Repair.of(compare()).resume()

    assert await is_gone(bucket, key)
    assert len(await removals(database)) == 1
    assert await repaired(compare()) == 0


async def test_two_who_reconcile_at_once_tell_of_each_object_once(
    compare: Compare, bucket: Storage, database: Database
) -> None:
    for _ in range(5):
        await put(bucket, object_key(new_id()))
    findings = await found(compare())

    await asyncio.gather(*(Repair.of(compare()).all(findings) for _ in range(3)))

    assert len(await removals(database)) == 5


async def test_a_copy_that_finalization_is_measuring_is_left_alone(
    compare: Compare, bucket: Storage, database: Database, owner: Account
) -> None:
    file = await with_object(database, bucket, a_processing_file(owner_id=owner.id))
    copy = await put(bucket, object_key(file.id, attempt=new_id()))
    assert await kinds(compare()) == []

    async with database.sessions.begin() as session:
        now = await session.get_one(File, file.id)
        now.moved_to(copy)
        verdict(now, Measured(copy, 3, "0" * 64, b"abc"), max_size=10, allowed_types=())
    await repaired(compare())

    assert not await is_gone(bucket, copy)
    assert await is_gone(bucket, file.key)


async def test_a_file_that_comes_while_we_look_is_not_missing(
    bucket: Storage, compare: Compare, database: Database, owner: Account
) -> None:
    """Its object was not there when S3 was asked for a list, its row was when Postgres was."""
    storage, file = bucket, an_available_file(owner_id=owner.id)

    class BeforeItsObject(Storage):
        async def objects(self, prefix: str, *, after: str = "") -> tuple[list[object], bool]:  # type: ignore[override]
            listed = await storage.objects(prefix, after=after)
            if await database.rows("SELECT 1 FROM files") == []:
                await with_object(database, storage, file)
            return listed  # type: ignore[return-value]

    slow = BeforeItsObject(storage.client, storage.public, storage.bucket)
    assert await kinds(Comparison(database.sessions, slow, grace=compare().grace)) == []


async def test_a_file_whose_object_is_back_or_that_is_deleted_meanwhile_is_not_rejected(
    compare: Compare, bucket: Storage, database: Database, owner: Account
) -> None:
    back, deleted = [await a_file(database, bucket, owner) for _ in range(2)]
    for file in (back, deleted):
        await bucket.delete(file.key)
    findings = await found(compare())
    await put(bucket, back.key)
    async with database.sessions.begin() as session:
        (await session.get_one(File, deleted.id)).delete()

    assert [each.kind for each in findings] == [Kind.OBJECT_MISSING] * 2
    assert await Repair.of(compare()).all(findings) == {}
    assert (await database.get(back)).is_available


async def test_a_file_that_is_finalized_meanwhile_is_not_announced_again(
    compare: Compare, bucket: Storage, database: Database, owner: Account, history: History
) -> None:
    file = await with_object(database, bucket, a_processing_file(owner_id=owner.id))
    await history.publish()
    await history.deliver("finalize_upload", error="given up", where="type = 'file.uploaded'")
    findings = await found(compare())
    await database.execute("UPDATE deliveries SET state = 'due', due_at = now()")  # by an operator

    assert [each.kind for each in findings] == [Kind.PROCESSING_STUCK]
    assert await Repair.of(compare()).all(findings) == {}
    assert (await database.get(file)).version == file.version
