"""Ours beside a plain floor and beside peers: `python -m tests.bench [ITEM[,ITEM…]]`, or `make bench ITEM=…`.

Prints a table and writes `bench.json`. Exits with 1 if an item could not be measured; a goal that was missed is marked.
"""

import argparse
import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
from alembic import command

from infra.database import create_engine
from infra.embedded import EmbeddedStack
from migrations.command import alembic_config
from tests.bench import filling
from tests.bench.item import Item, discover
from tests.bench.place import Place
from tests.bench.result import Result, failure
from tests.bench.table import table

DIRECTORY = Path(".waybill-bench").absolute()
ITEM_SECONDS = 90
ALL_SECONDS = 565
"""What is prepared takes some three minutes of them, the first time; then fewer rounds are measured."""
TIDYING_SECONDS = 15
"""An item may take so many more, to end what it has begun."""
PREPARE_SECONDS = 900
"""Of a slow machine, which measures nothing then before it is run again."""
CHECKED = {"client_connection_check_interval": "1s"}
"""What an item that took too long has asked of Postgres ends with it."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", metavar="ITEM", nargs="*", help="by default all of them; several with commas")
    parser.add_argument("--output", type=Path, default=Path("bench.json"))
    given = parser.parse_args()
    known = discover()
    names = [name for each in given.names for name in each.split(",") if name] or sorted(known)
    if unknown := set(names) - set(known):
        parser.error(f"no item is called {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    results = asyncio.run(bench([known[name] for name in names]))
    given.output.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    print(table(results))
    return int(any(each.failed for each in results))


async def bench(items: Sequence[Item]) -> list[Result]:
    """All of them, those that need the same Postgres settings on one stack; what time there is they share."""
    end = time.monotonic() + ALL_SECONDS
    results = await _prepared(items)
    for postgres in _distinct(items):
        async with _place(postgres) as place:
            for item in items:
                if item.postgres == postgres and item.name not in results:
                    asked = sum(each.seconds for each in items if each.name not in results)
                    left = end - time.monotonic()
                    rounds = ("--seconds", f"{item.seconds * min(1, left / asked):.0f}")
                    within = max(0, min(ITEM_SECONDS, left + TIDYING_SECONDS))
                    results[item.name] = await _tried(item, place, *rounds, within=within)
    return [results[item.name] for item in items]


async def _prepared(items: Sequence[Item]) -> dict[str, Result]:
    """Make what is kept from run to run, all at once, on a Postgres set for it. Returns what has failed."""
    preparing = [item for item in items if item.prepare]
    if not preparing:
        return {}
    async with _place(filling.POSTGRES) as place:
        tried = (_tried(item, place, "--prepare", within=PREPARE_SECONDS) for item in preparing)
        return {found.item: found for found in await asyncio.gather(*tried) if found.failed}


def _distinct(items: Sequence[Item]) -> list[Mapping[str, str]]:
    settings = [item.postgres for item in items]
    return [each for index, each in enumerate(settings) if each not in settings[:index]]


@asynccontextmanager
async def _place(postgres: Mapping[str, str]) -> AsyncIterator[Place]:
    shutil.rmtree(DIRECTORY / "valkey", ignore_errors=True)  # an earlier run's millions of entries take long to load
    async with EmbeddedStack(DIRECTORY, postgres_settings={**CHECKED, **postgres}) as stack:
        place = Place({**os.environ, **stack.environment}, DIRECTORY)
        engine = create_engine(stack.environment["WAYBILL_DATABASE_URL"])
        async with engine.begin() as connection:
            await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "head"))
        await engine.dispose()
        await place.tidy()
        yield place


async def _tried(item: Item, place: Place, *options: str, within: float) -> Result:
    """What was found, or why nothing was; an item that was prepared has found nothing yet."""
    began = time.monotonic()
    try:
        printed = await _process(item, place, *options, within=within)
    except TimeoutError:
        return failure(item, f"not done in the {within:.0f} s that were left for it")
    except ChildProcessError as error:
        return failure(item, str(error))
    print(f"{item.name}: {' '.join(options)} {time.monotonic() - began:.0f} s", file=sys.stderr)
    return msgspec.json.decode(printed, type=Result) if printed else Result(item=item.name, unit=item.unit)


async def _process(item: Item, place: Place, *options: str, within: float) -> bytes:
    """What the item prints in a process of its own, which is ended with all that it started if it takes too long."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.alone", item.name, str(place.directory), *options),
        env=place.environment,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(within):
            printed, _ = await process.communicate()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if process.returncode:
        raise ChildProcessError(f"exit code {process.returncode}, see above")
    return printed


if __name__ == "__main__":
    sys.exit(main())
