"""The journey: steps taken one after the other, each timed, until the first that does not hold."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from infra.demo import account, files, health, shares, uploads
from infra.demo.outcome import DemoFailed, Done
from infra.demo.report import Report
from infra.demo.samples import Samples
from infra.demo.traveller import Traveller, asked

STEP_SECONDS = 180.0
"""No step takes longer; those that wait for an event have a shorter limit of their own."""


@dataclass(frozen=True, slots=True)
class Step:
    title: str
    take: Callable[[Traveller], Awaitable[Done]]


def steps(samples: Samples) -> list[Step]:
    """What the demo does. A new step is a function in one of the files beside this one, and a line here."""
    picture, archive, empty, letter = samples
    return [
        Step("ask whether it is ready", health.is_ready),
        Step("register", account.register),
        Step("verify by the mail received", account.verify),
        Step("log in", account.log_in),
        Step(f"upload {picture.name} as a form", partial(uploads.by_form, sample=picture)),
        Step(f"upload {archive.name} straight to S3", partial(uploads.in_parts, sample=archive)),
        Step(f"upload {empty.name}", partial(uploads.by_form, sample=empty)),
        Step(f"upload {letter.name}", partial(uploads.by_form, sample=letter)),
        *(Step(f"follow {sample.name}", partial(files.follow_upload, sample=sample)) for sample in samples),
        Step("find each by its words", files.search),
        Step(f"share {letter.name}", partial(shares.share, sample=letter)),
        Step("download it by the link", partial(shares.download, sample=letter)),
        *(Step(f"download {sample.name}", partial(files.download, sample=sample)) for sample in samples),
        Step("upload with a wrong checksum", files.reject_forgery),
        Step(f"delete {letter.name}", partial(files.delete, sample=letter)),
        Step("delete the others", files.clear_up),
    ]


async def travel(url: str, directory: Path, report: Report, *, maildir: Path | None) -> None:
    """Take every step with the Waybill at `url`; what is sent is made in `directory`, mail is looked for in `maildir`.

    Raises:
        DemoFailed: with the title of the first step that did not hold, and what was seen.

    """
    samples = await asyncio.to_thread(Samples.make, directory)
    async with Traveller.to(url, samples, maildir) as traveller:
        for step in steps(samples):
            await timed(step.title, partial(step.take, traveller), report)


async def timed(title: str, take: Callable[[], Awaitable[Done]], report: Report) -> None:
    """Take a step and report it.

    Raises:
        DemoFailed: with its title and what was seen.

    """
    began = time.perf_counter()
    try:
        with report.waiting(title):
            async with asyncio.timeout(STEP_SECONDS):
                done = await take()
    except (DemoFailed, httpx.HTTPError, TimeoutError, LookupError, ValueError) as error:
        raise DemoFailed(f"{title}: {_seen(error)}") from error
    report.held(title, time.perf_counter() - began, done)


def _seen(error: Exception) -> str:
    match error:
        case DemoFailed():
            return str(error)
        case httpx.HTTPError():
            return f"{asked(error.request)} failed: {type(error).__name__} {error}".rstrip()
        case TimeoutError():
            return f"took longer than {STEP_SECONDS:g} s"
        case _:
            return f"an answer is not as described: {type(error).__name__} {error}"
