"""What disagrees is repaired, each by itself: looked at again under a lock, changed, and told by an event."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.reconciliation import rows
from consumers.reconciliation.comparing import Comparison, Page, is_there
from consumers.reconciliation.concurrently import concurrently
from consumers.reconciliation.finding import Finding, Kind
from domain.files.model import File, RejectedReason, Status
from domain.leftovers.commands import condemn, removed
from domain.leftovers.model import Leftover
from infra.failpoints import failpoint
from infra.storage import Storage
from outbox.session import Sessions

MANY, SHARE = 100, 10
"""So many files of a page without an object, and more than one in ten: that is no accident of single objects."""


class TooMuchMissing(Exception):
    """Nothing was rejected: a bucket in which so much is missing is more likely the wrong one, or half restored."""


@dataclass(frozen=True)
class Repair:
    """Returns, for each finding, whether something was changed: what has mended itself meanwhile is left alone."""

    sessions: Sessions
    storage: Storage
    settled: datetime

    @classmethod
    def of(cls, comparison: Comparison) -> "Repair":
        return cls(comparison.sessions, comparison.storage, comparison.settled)

    async def page(self, page: Page) -> Counter[Kind]:
        """Raises TooMuchMissing, StorageError."""
        missing = sum(finding.kind is Kind.OBJECT_MISSING for finding in page.findings)
        if missing > MANY and missing * SHARE > page.files:
            raise TooMuchMissing(f"{missing} of {page.files} files have no object in {self.storage.bucket}")
        return await self.all(page.findings)

    async def all(self, findings: Sequence[Finding]) -> Counter[Kind]:
        changed = await concurrently(self._one, findings)
        return Counter(finding.kind for finding, is_changed in zip(findings, changed, strict=True) if is_changed)

    async def resume(self) -> None:
        """Finish what was condemned by somebody who did not come to remove it."""
        unremoved = select(Leftover).where(Leftover.removed_at.is_(None), Leftover.found_at < self.settled)
        async with self.sessions() as session:
            found = (await session.scalars(unremoved.order_by(Leftover.found_at).limit(rows.BATCH))).all()
        for leftover in found:
            await self._remove(leftover)

    async def _one(self, finding: Finding) -> bool:
        ways: Mapping[Kind, Callable[[Finding], Awaitable[bool]]] = {
            Kind.OBJECT_WITHOUT_ROW: self._leftover,
            Kind.OBJECT_NOT_NEEDED: self._leftover,
            Kind.UPLOAD_WITHOUT_OWNER: self._leftover,
            Kind.OBJECT_MISSING: self._missing,
            Kind.PROCESSING_STUCK: self._stuck,
            Kind.DELETION_STUCK: self._deletion,
        }
        return finding.kind in ways and await ways[finding.kind](finding)

    async def _leftover(self, finding: Finding) -> bool:
        """It is condemned before it is removed: who comes late with its row is refused, and knows it."""
        async with self.sessions.begin() as session:
            leftover = await condemn(session, _as_leftover(finding, self.storage.bucket))
        if leftover is None:
            return False
        failpoint("reconcile.after_condemn")
        await self._remove(leftover)
        return True

    async def _remove(self, leftover: Leftover) -> None:
        if leftover.upload_id is not None:
            await self.storage.abort_multipart(leftover.key, leftover.upload_id)
        else:
            await self.storage.delete(leftover.key)
        failpoint("reconcile.after_removal")
        async with self.sessions.begin() as session:
            await removed(session, leftover.id)

    async def _missing(self, finding: Finding) -> bool:
        async with self.sessions.begin() as session:
            file = await _locked(session, finding)
            if file is None or file.status != Status.AVAILABLE or await is_there(self.storage, file.key):
                return False
            file.reject(RejectedReason.OBJECT_MISSING)
        return True

    async def _stuck(self, finding: Finding) -> bool:
        async with self.sessions.begin() as session:
            file = await _locked(session, finding)
            if file is None or not await rows.is_stuck(session, file, self.settled):
                return False
            if file.came_through_us and not await is_there(self.storage, file.key):
                file.reject(RejectedReason.OBJECT_MISSING)
            else:
                file.bytes_still_there()
        return True

    async def _deletion(self, finding: Finding) -> bool:
        await self.storage.delete(finding.key)  # of a file that is deleted for good
        async with self.sessions.begin() as session:
            file = await _locked(session, finding)
            if file is None or file.removed_at is not None:
                return False
            file.object_removed()
        return True


async def _locked(session: AsyncSession, finding: Finding) -> File | None:
    """The file as it is now; None where its bytes lie elsewhere by now."""
    file = await session.get(File, finding.file_id, with_for_update=True, populate_existing=True)
    return file if file is not None and file.key == finding.key else None


def _as_leftover(finding: Finding, bucket: str) -> Leftover:
    return Leftover.found(
        file_id=finding.file_id,
        bucket=bucket,
        key=finding.key,
        upload_id=finding.upload_id,
        size=finding.size,
        mark=finding.upload_id or finding.since.isoformat(),
    )
