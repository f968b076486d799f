from dataclasses import replace
from datetime import timedelta

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.subscription import consumes
from domain.catalogue import STREAMS
from domain.forgetting import forget_credentials
from domain.schedule.events import RetentionDue
from infra.settings import Settings
from outbox import retention
from outbox.session import announce_once


@consumes(RetentionDue, concurrency=1)
async def apply_retention(session: AsyncSession, event: RetentionDue, redis: Redis, settings: Settings) -> None:
    """Trim from the streams what the part before has pruned, then prune a batch: what is left is the next part."""
    await retention.trim(session, redis, STREAMS, after=event.trimmed, upto=event.cursor)
    too_old = event.due_at - timedelta(days=settings.retention_days)
    forgotten = await retention.forget_commands(session, before=too_old)
    forgotten += await forget_credentials(session, before=too_old)
    cursor = await retention.prune(session, before=too_old, after=event.cursor)
    if forgotten or cursor > event.cursor:
        rest = replace(event, part=event.part + 1, trimmed=event.cursor, cursor=cursor)
        await announce_once(session, rest, event_id=rest.tick_id)
