"""`waybill`, with consumers that do next to nothing: what is measured then is what surrounds an effect."""

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.subscription import consumes
from domain.files.events import FileAvailable
from waybill import main

CONCURRENCY = 32
WAIT_SECONDS = 0.02
LOOK = text("SELECT 1")


@consumes(FileAvailable, batched=True)
async def no_op(session: AsyncSession, event: FileAvailable) -> None:
    """Nothing."""


@consumes(FileAvailable, concurrency=CONCURRENCY)
async def waiting(session: AsyncSession, event: FileAvailable) -> None:
    """As for S3 or SMTP; then it asks Postgres, so that its transaction is its own."""
    await asyncio.sleep(WAIT_SECONDS)
    await session.execute(LOOK)


if __name__ == "__main__":
    main()
