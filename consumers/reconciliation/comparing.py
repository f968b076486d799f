"""A page of S3's listing against the rows of the same stretch of ids: both are in the order of ids.

Nothing is held meanwhile, and everything may change. So what seems to be missing is asked for by its name, after its
row was read; and whoever repairs looks again, under a lock.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from consumers.reconciliation import rows
from consumers.reconciliation.concurrently import concurrently
from consumers.reconciliation.finding import Finding, Kind
from domain.aggregate import now
from domain.files.model import File, Status
from domain.files.promise import file_of
from infra.storage import Object, ObjectMissing, Storage, Unfinished
from outbox.session import Sessions

GRACE = timedelta(hours=1)
"""What is younger may be on its way."""
UPLOAD_GRACE = timedelta(hours=24)
"""For an upload without a row: as long as no part has come. It may be a slow client's."""
FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)
PREFIXES = ("files/", "incoming/")
UPLOADS = "uploads/"
"""The cursor behind all objects, where the unfinished uploads come; no key of ours begins so."""


@dataclass
class Page:
    """What was looked at, and what of it disagrees."""

    findings: list[Finding] = field(default_factory=list)
    objects: int = 0
    files: int = 0
    uploads: int = 0
    after: str | None = None
    """From where to go on; None where there is nothing more."""


@dataclass(frozen=True)
class Comparison:
    sessions: Sessions
    storage: Storage
    grace: timedelta = GRACE
    upload_grace: timedelta = UPLOAD_GRACE

    @property
    def settled(self) -> datetime:
        """What has not changed since then is not on its way any more."""
        return now() - self.grace

    async def pages(self, after: str = "") -> AsyncIterator[Page]:
        """From a cursor on. Raises StorageError."""
        await self.storage.ping()  # a bucket that is away says of every object that it is missing
        cursor: str | None = after
        while cursor is not None:
            page = await (self._uploads() if cursor == UPLOADS else self._objects(cursor))
            yield page
            cursor = page.after

    async def _objects(self, after: str) -> Page:
        prefix = PREFIXES[1] if after.startswith(PREFIXES[1]) else PREFIXES[0]
        listed, more = await self.storage.objects(prefix, after=after)
        page = Page(objects=len(listed))
        if more:
            page.after = listed[-1].key
        else:
            page.after = PREFIXES[1] if prefix == PREFIXES[0] else UPLOADS
        await self._unclaimed(page, listed)
        if prefix == PREFIXES[0]:
            upto = file_of(listed[-1].key) if more else LAST
            await self._rows(page, listed, file_of(after) or FIRST, upto or LAST)
        return page

    async def _unclaimed(self, page: Page, listed: Iterable[Object]) -> None:
        """Objects that no row needs."""
        old = [(file_id, each) for each in listed if (file_id := file_of(each.key)) and each.modified_at < self.settled]
        found = await rows.files(self.sessions, {file_id for file_id, _ in old})
        for file_id, each in old:
            kind = _unneeded(found.get(file_id), each.key, self.settled)
            if kind is not None:
                since = each.modified_at
                page.findings.append(Finding(kind=kind, file_id=file_id, key=each.key, since=since, size=each.size))

    async def _rows(self, page: Page, listed: Iterable[Object], after: UUID, upto: UUID) -> None:
        """Rows whose object is not there or not the same, and those that are stuck."""
        sizes = {each.key: each.size for each in listed}
        async for batch in rows.between(self.sessions, self.storage.bucket, after, upto, settled=self.settled):
            page.files += len(batch)
            page.findings += _stuck(batch)
            available = [file for file in batch if file.status == Status.AVAILABLE]
            page.findings += _differing(available, sizes)
            page.findings += await self._missing([file for file in available if file.key not in sizes])

    async def _missing(self, suspects: list[File]) -> list[Finding]:
        there = await concurrently(lambda file: is_there(self.storage, file.key), suspects)
        gone = {file.id: file for file, is_present in zip(suspects, there, strict=True) if not is_present}
        still = await rows.files(self.sessions, gone) if gone else {}  # deleted meanwhile, perhaps
        return [
            Finding(kind=Kind.OBJECT_MISSING, file_id=file.id, key=file.key, since=file.updated_at)
            for file in still.values()
            if file.status == Status.AVAILABLE and file.key == gone[file.id].key
        ]

    async def _uploads(self) -> Page:
        page = Page()
        for prefix in PREFIXES:
            async for listed in self.storage.unfinished(prefix):
                page.uploads += len(listed)
                ours = {each: file_id for each in listed if (file_id := file_of(each.key))}
                found = await rows.files(self.sessions, set(ours.values()))
                for each, file_id in ours.items():
                    since = await self._left_since(each, found.get(file_id))
                    if since is not None:
                        page.findings.append(_unowned(each, file_id, since))
        return page

    async def _left_since(self, upload: Unfinished, file: File | None) -> datetime | None:
        """None where somebody owns it, or may be at it."""
        if file is not None:
            since = max(upload.begun_at, file.updated_at)
            return since if since < self.settled and not file.awaits(upload.upload_id) else None
        quiet = now() - self.upload_grace
        if upload.begun_at >= quiet:
            return None
        try:
            last = await self.storage.last_part_at(upload.key, upload.upload_id) or upload.begun_at
        except ObjectMissing:
            return None
        return last if last < quiet else None


async def is_there(storage: Storage, key: str) -> bool:
    try:
        await storage.size(key)
    except ObjectMissing:
        return False
    return True


def _unneeded(file: File | None, key: str, settled: datetime) -> Kind | None:
    if file is None:
        return Kind.OBJECT_WITHOUT_ROW
    if file.may_need(key) or file.updated_at >= settled:
        return None
    return Kind.OBJECT_NOT_NEEDED


def _unowned(upload: Unfinished, file_id: UUID, since: datetime) -> Finding:
    return Finding(
        kind=Kind.UPLOAD_WITHOUT_OWNER, file_id=file_id, key=upload.key, upload_id=upload.upload_id, since=since
    )


def _stuck(files: Iterable[File]) -> Iterator[Finding]:
    kinds = {Status.PROCESSING: Kind.PROCESSING_STUCK, Status.DELETED: Kind.DELETION_STUCK}
    for file in files:
        if kind := kinds.get(Status(file.status)):
            yield Finding(kind=kind, file_id=file.id, key=file.key, since=file.updated_at)


def _differing(files: Iterable[File], sizes: Mapping[str, int]) -> Iterator[Finding]:
    for file in files:
        if (size := sizes.get(file.key, file.size)) != file.size:
            yield Finding(kind=Kind.OBJECT_DIFFERS, file_id=file.id, key=file.key, since=file.updated_at, size=size)
