"""Who has something due: asked once for all consumers of a process, since mostly none has."""

import asyncio
from collections.abc import Mapping

from consumers.loops import quietly
from consumers.worker import ConsumerWorker
from infra.waiting import pause
from outbox.session import Sessions
from outbox.taking import who_has_due

POLL_SECONDS = 0.25


async def look_for_due(workers: Mapping[str, ConsumerWorker], sessions: Sessions, stop: asyncio.Event) -> None:
    """Wake whoever of these has, by name, until we are to stop."""

    async def wake() -> None:
        async with sessions() as session:
            due = await who_has_due(session, list(workers))
        for name, worker in workers.items():
            if name in due:
                worker.attempts.notice_due()
            else:
                worker.attempts.has_due = False

    while not stop.is_set():
        await quietly(wake, stop)
        await pause(stop, POLL_SECONDS)
