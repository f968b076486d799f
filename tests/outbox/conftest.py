"""An operator at a terminal, on this test's database and Redis."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner, Result
from redis.asyncio import Redis

from domain.catalogue import STREAMS
from domain.event import Event
from outbox.claims import claim
from outbox.delivery import Arrival, Policy, State, Ticket
from outbox.relay import Relay
from outbox.subscriptions import subscribe
from outbox.tickets import fail
from tests.database import Database
from waybill import cli

Run = Callable[..., Awaitable[Result]]


@pytest.fixture
def waybill(environment: Mapping[str, str], redis: Redis) -> Run:
    """Run a command as a shell would, with this test's environment."""

    async def run(*arguments: str, **options: Any) -> Result:
        env = {**{name: None for name in os.environ if name.startswith("WAYBILL_")}, **environment}
        return await asyncio.to_thread(CliRunner().invoke, cli, arguments, env=env, **options)

    return run


def answer(result: Result) -> Any:
    """What a command printed as JSON."""
    return json.loads(result.stdout)


@dataclass
class History:
    """Events that were published, and what became of them for a consumer."""

    database: Database
    redis: Redis

    async def publish(self, *events: Event) -> None:
        await self.database.record(*events)
        connection = await self.database.connect()
        relay = Relay(connection, self.redis, STREAMS)
        while await relay.step():
            continue
        await connection.close()

    async def deliver(self, consumer: str, *, error: str | None = None, where: str = "true") -> None:
        """Every event so chosen is done for this consumer; or dead, with this error."""
        rows = await self.database.rows(f"SELECT position, event_id, subject, type FROM outbox WHERE {where}")  # noqa: S608
        arrivals = [Arrival(*row) for row in rows]
        async with self.database.sessions.begin() as session:
            policy = Policy()
            state = State.DONE if error is None else State.RUNNING
            types = {each.type for each in arrivals}
            await subscribe(session, consumer, types)
            await claim(session, consumer, types, arrivals, state=state, lease=policy.lease)
            for each in arrivals if error else ():
                ticket = Ticket(consumer, each.position, each.event_id, each.subject, each.type, attempt=1)
                await fail(session, ticket, error or "", policy, final=True)


@pytest.fixture
def history(database: Database, redis: Redis) -> History:
    return History(database, redis)
