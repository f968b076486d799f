"""Our own processes: the commands of this very installation, as programs to supervise."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from infra.services.data_dir import DataDir
from infra.supervision.program import Program

DRAIN_SECONDS = 12.0
"""Each command drains for 10 s; this is a little more."""


@dataclass(frozen=True, slots=True)
class Programs:
    """How to run each command; `env` is the whole environment."""

    data_dir: DataDir
    env: Mapping[str, str]
    waybill: tuple[str, ...] = (sys.executable, "-m", "waybill")

    def behind_the_api(self, workers: int) -> list[Program]:
        names = ["worker"] if workers == 1 else [f"worker-{number}" for number in range(1, workers + 1)]
        return [self.named("relay"), self.named("scheduler"), *(self.named(name, "worker") for name in names)]

    def api(self, port: int) -> Program:
        return self.named("api", "api", "--port", str(port), ready=lambda: is_live(port))

    def named(
        self,
        name: str,
        *arguments: str,
        ready: Callable[[], Awaitable[bool]] | None = None,
        within: float = 30,
    ) -> Program:
        """The command `name`, or `arguments`; ready, or done, `within` seconds."""
        return Program(
            name=name,
            argv=(*self.waybill, *(arguments or (name,))),
            env=self.env,
            log=self.data_dir.log(name),
            ready=ready,
            ready_within=within,
            grace=DRAIN_SECONDS,
        )


async def is_live(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()
