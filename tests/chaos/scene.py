"""Where a scenario plays: every process of ours, armed, on services of its own, under load and then judged."""

import asyncio
import os
import random
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
from redis.asyncio import Redis

from infra.embedded import EmbeddedStack
from infra.supervision.supervisor import Supervisor
from infra.up.processes import Programs
from tests.chaos import report
from tests.chaos.armed import VARIABLE, Plan
from tests.chaos.hits import totals
from tests.chaos.load import Load
from tests.chaos.subscriber import Subscriber
from tests.chaos.verdict import Verdict, judge, still_open
from tests.database import Database

FILES = "waybill:files"
ASKED_FOR = re.compile(r"\S+ (was ended by SIGKILL|exited with code 137) ")
REST_SECONDS = 90.0
EVERYTHING = ("api", "relay", "relay-2", "worker", "worker-2")


@dataclass
class Scene:
    name: str
    seed: int
    stack: EmbeddedStack
    programs: Programs
    supervisor: Supervisor
    port: int
    database: Database
    redis: Redis
    token: str
    bucket: Path
    ends: list[str]
    """A line about each end of a process of ours, however it ended."""
    plan: Plan
    faults: int = 0
    dead: int = 0
    """Deliveries that are to be given up."""
    allowed: re.Pattern[str] = ASKED_FOR
    """Ends of a process that somebody asked for."""
    dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311 - chaos, not a secret

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, *names: str, **settings: str) -> None:
        """Processes of these names; what stands behind a dash tells several of one kind apart."""
        env = {**self.programs.env, **settings, VARIABLE: msgspec.json.encode(self.plan).decode()}
        programs = replace(self.programs, env=env)
        await self.supervisor.start(
            *(
                programs.api(self.port) if name == "api" else programs.named(name, name.partition("-")[0])
                for name in names
            )
        )

    def kill(self, name: str) -> None:
        self.signal(name, signal.SIGKILL)

    def signal(self, name: str, number: signal.Signals) -> None:
        """A process that is down already is left alone."""
        try:
            os.kill(self.supervisor.pid(name), number)
        except ProcessLookupError:
            return
        self.faults += 1

    async def until(self, holds: Callable[[], Awaitable[object]], *, within: float = REST_SECONDS) -> None:
        async with asyncio.timeout(within):
            while not await holds():  # noqa: ASYNC110 - other processes set no event of ours
                await asyncio.sleep(0.05)

    @asynccontextmanager
    async def under_load(self, rate: float, *, rest: float = REST_SECONDS) -> AsyncIterator[Load]:
        """Inside, clients ask. Then all comes to rest within `rest` seconds, and is found to be as it should."""
        async with Subscriber.following(FILES, self.programs.env["WAYBILL_REDIS_URL"]) as subscriber:
            async with Load(self.url, self.token, rate, self.seed) as load:
                yield load
            verdict = await self._judged(load, subscriber, rest)
        assert not verdict.flaws, "\n".join(verdict.flaws)

    async def _judged(self, load: Load, subscriber: Subscriber, rest: float) -> Verdict:
        async def is_at_rest() -> bool:
            newest = (await self.database.rows("SELECT max(position) FROM outbox WHERE stream = :s", s=FILES))[0][0]
            return not await still_open(self.database, self.redis) and subscriber.position == (newest or 0)

        try:
            await self.until(is_at_rest, within=rest)
        except TimeoutError:
            load.ledger.flaws.append(f"it did not come to rest within {rest:g} s")
        verdict = await judge(self.database, self.redis, self.bucket, load.ledger, subscriber, dead=self.dead)
        verdict.add("ends that nobody asked for", (end for end in self.ends if not self.allowed.match(end)))
        report.LINES.append(report.Line(self.name, self.seed, self.faults, load.ledger, verdict))
        for name, (reached, struck) in totals(Path(self.plan.hits)).items():
            report.REACHED[name] += reached
            report.STRUCK[name] += struck
        return verdict
