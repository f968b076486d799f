import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from redis.asyncio import Redis

from consumers.attempts import Attempts
from consumers.subscription import CONSUMERS, Consumer, Effect, consumes
from consumers.worker import ConsumerWorker
from domain.files.events import FileUploaded
from outbox.delivery import Policy
from tests.consumers.steps import EFFECTS
from tests.database import Database

MakeWorker = Callable[..., ConsumerWorker]


def a_consumer(effect: Effect, **options: Any) -> Consumer:
    """A consumer of file.uploaded that only this test knows; the options are those of `consumes`."""
    consumes(FileUploaded, **options)(effect)
    return CONSUMERS.pop(effect.__name__)


@pytest.fixture
async def effects(database: Database) -> None:
    """Where `note` notes."""
    await database.execute(EFFECTS)


@pytest.fixture
def make_worker(database: Database, redis: Redis, effects: None) -> MakeWorker:
    def make(
        consumer: Consumer, *, max_attempts: int = 3, resources: Mapping[str, object] | None = None
    ) -> ConsumerWorker:
        attempts = Attempts(consumer, database.sessions, Policy(max_attempts, base=0.01), resources or {})
        return ConsumerWorker(consumer, f"worker-{id(attempts)}", database.sessions, redis, attempts, asyncio.Event())

    return make
