"""`waybill`, with consumers that do next to nothing: what is measured then is what surrounds an effect."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncSession

from consumers.subscription import consumes
from domain.files.events import FileAvailable
from waybill import main

CONCURRENCY = 32
WAIT_SECONDS = 0.02


@consumes(FileAvailable, batched=True)
async def no_op(session: AsyncSession, event: FileAvailable) -> None:
    """Nothing."""


@consumes(FileAvailable, concurrency=CONCURRENCY)
async def waiting(session: AsyncSession, event: FileAvailable) -> None:
    """As for S3 or SMTP."""
    await asyncio.sleep(WAIT_SECONDS)


if __name__ == "__main__":
    main()
