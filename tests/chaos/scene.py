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
from infra.up.processes import Programs, is_live
from tests.chaos import report
from tests.chaos.armed import VARIABLE, Plan
from tests.chaos.ledger import Known, Ledger
from tests.chaos.load import Load
from tests.chaos.s3_proxy import S3Proxy
from tests.chaos.subscriber import Subscriber
from tests.chaos.verdict import Verdict, judge, still_open
from tests.database import Database
from tests.outbox.forwarder import Forwarder

FILES = "waybill:files"
EVERYTHING = ("api", "relay", "relay-2", "worker", "worker-2")
KILLED = re.compile(r"\S+ (was ended by SIGKILL|exited with code 137) ")
REST_SECONDS = 90.0


@dataclass
class Scene:
    stack: EmbeddedStack
    programs: Programs
    supervisor: Supervisor
    port: int
    database: Database
    redis: Redis
    s3: S3Proxy
    smtp: Forwarder
    bucket: Path
    token: str
    ends: list[str]
    """A line about each end of a process of ours, however it ended."""
    plan: Plan
    name: str = ""
    faults: int = 0
    asked_for: re.Pattern[str] = KILLED
    """Ends of a process that are no flaw."""
    files: dict[str, Known] = field(default_factory=dict)

    def begin(self, name: str) -> None:
        """Another scenario begins here."""
        self.name, self.faults = name, 0
        self.dice = random.Random(self.seed)  # noqa: S311 - chaos, not a secret
        self.ends.clear()

    @property
    def seed(self) -> str:
        """Each scenario has dice of its own, and with them Idempotency-Keys of its own."""
        return f"{self.plan.seed}/{self.name}"

    async def start(self, *names: str, **settings: str) -> None:
        """Processes of these names; what stands behind a dash tells several of one kind apart."""
        env = {**self.programs.env, **settings, VARIABLE: msgspec.json.encode(self.plan).decode()}
        self.programs = replace(self.programs, env=env)
        named = [(name, name.partition("-")[0]) for name in names]
        await self.supervisor.start(
            *(
                self.programs.api(self.port) if command == "api" else self.programs.named(name, command)
                for name, command in named
            )
        )

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

    async def is_live(self) -> bool:
        return await is_live(self.port)

    async def published(self) -> int:
        """The newest position."""
        return int((await self.database.rows("SELECT coalesce(max(position), 0) FROM outbox"))[0][0])

    async def more_is_published(self, count: int) -> None:
        """Returns when there are so many events more."""
        goal = await self.published() + count

        async def is_there() -> bool:
            return await self.published() >= goal

        await self.until(is_there)

    @asynccontextmanager
    async def under_load(self, rate: float, *, rest: float = REST_SECONDS) -> AsyncIterator[Load]:
        """Inside, clients ask. Then all comes to rest within `rest` seconds, and is found to be as it should."""
        async with Subscriber.following(FILES, self.programs.env["WAYBILL_REDIS_URL"]) as subscriber:
            url, ledger = f"http://127.0.0.1:{self.port}", Ledger(self.files)
            async with Load(url, self.token, rate, self.seed, ledger) as load:
                yield load
            verdict = await self._judged(ledger, subscriber, rest)
        report.LINES.append(report.Line(self.name, self.plan.seed, self.faults, ledger, verdict))
        report.HITS.add(Path(self.plan.hits))
        assert not verdict.flaws, "\n".join(verdict.flaws)

    async def _judged(self, ledger: Ledger, subscriber: Subscriber, rest: float) -> Verdict:
        async def is_at_rest() -> bool:
            newest = (await self.database.rows("SELECT max(position) FROM outbox WHERE stream = :s", s=FILES))[0][0]
            return not await still_open(self.database, self.redis) and subscriber.position == (newest or 0)

        try:
            await self.until(is_at_rest, within=rest)
        except TimeoutError:
            still = await still_open(self.database, self.redis)
            ledger.flaws.append(f"it did not come to rest within {rest:g} s: {still}")
        verdict = await judge(self.database, self.redis, self.bucket, ledger, subscriber)
        verdict.add("ends that nobody asked for", (end for end in self.ends if not self.asked_for.match(end)))
        return verdict
