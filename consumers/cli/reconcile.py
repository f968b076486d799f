"""`waybill reconcile`."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import click
from sqlalchemy import func, select

from consumers.reconciliation.comparing import Comparison, Page
from consumers.reconciliation.finding import REPAIRS, Finding, Kind
from consumers.reconciliation.repairing import Repair, TooMuchMissing
from domain.files.model import File, Status
from infra.console import progress, show_json, show_table
from infra.storage import Storage, StorageError
from outbox.cli.operator import Operator, operator_command


@dataclass
class Report:
    """What was found; of a million findings only the first ones are kept to be shown."""

    limit: int
    objects: int = 0
    files: int = 0
    uploads: int = 0
    found: Counter[Kind] = field(default_factory=Counter)
    repaired: Counter[Kind] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    refused: str | None = None

    def add(self, page: Page) -> None:
        self.objects += page.objects
        self.files += page.files
        self.uploads += page.uploads
        self.found.update(finding.kind for finding in page.findings)
        self.findings += page.findings[: self.limit - len(self.findings)]

    @property
    def left(self) -> int:
        """What still disagrees."""
        return self.found.total() - self.repaired.total()


@click.command()
@click.option("--repair", is_flag=True, help="Repair what is found; each repair is an event.")
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=3600,
    show_default=True,
    help="Seconds for which nothing may have happened to what is looked at: younger bytes may be on their way.",
)
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True, help="Findings to name.")
@operator_command
async def reconcile(operator: Operator, repair: bool, grace: float, limit: int) -> int:
    """Compare what S3 holds with what rows know. Exits 1 while something disagrees.

    A multipart upload without a row is left alone for a day after its last part: it may be a slow client's.
    """
    try:
        async with Storage.connect(operator.settings) as storage:
            comparison = Comparison(operator.sessions, storage, grace=timedelta(seconds=grace))
            report = await _run(operator, comparison, Report(limit), repair=repair)
    except StorageError as error:
        raise click.ClickException(f"S3: {error}") from None
    _show(report, as_json=operator.as_json)
    return 1 if report.left else 0


async def _run(operator: Operator, comparison: Comparison, report: Report, *, repair: bool) -> Report:
    """A page is reported before it is repaired, and no more than one is ever in memory."""
    repairing = Repair.of(comparison)
    with progress("files", await _total(operator), quiet=operator.as_json) as show:
        async for page in comparison.pages():
            report.add(page)
            try:
                report.repaired += await repairing.page(page) if repair else Counter()
            except TooMuchMissing as reason:
                report.refused = f"{reason}: nothing of that page was changed; is this the right bucket?"
            show(report.files)
    if repair:
        await repairing.resume()
    return report


async def _total(operator: Operator) -> int:
    async with operator.sessions() as session:
        return await session.scalar(select(func.count()).where(File.status == Status.AVAILABLE)) or 0


def _show(report: Report, *, as_json: bool) -> None:
    looked_at = {"objects": report.objects, "files": report.files, "uploads": report.uploads}
    if as_json:
        counts = {"found": report.found, "repaired": report.repaired, "refused": report.refused}
        show_json({"ok": not report.left, "looked_at": looked_at, **counts, "findings": report.findings})
        return
    if report.found:
        columns = ["what", "file", "key", "bytes", "since"]
        show_table(columns, [(each.kind, each.file_id, each.key, each.size, each.since) for each in report.findings])
        click.echo()
        repairs = [(kind, found, report.repaired[kind], REPAIRS[kind]) for kind, found in report.found.items()]
        show_table(["what", "found", "repaired", "repair"], repairs)
        click.echo()
    if report.refused:
        click.echo(f"refused: {report.refused}")
    counted = ", ".join(f"{count} {what}" for what, count in looked_at.items())
    click.echo(f"looked at {counted}: {report.left or 'nothing'} left that disagrees")
