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
from tests.bench.item import Item, discover
from tests.bench.place import Place
from tests.bench.result import Result, failure
from tests.bench.table import table

DIRECTORY = Path(".waybill-bench").absolute()
ITEM_SECONDS = 90
PREPARE_SECONDS = 900
ALL_SECONDS = 600
"""For measuring. What is filled once and kept takes longer, the first time: minutes for each of two items."""


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
    """All of them, those that need the same Postgres settings on one stack."""
    left, results = float(ALL_SECONDS), dict[str, Result]()
    for postgres in _distinct(items):
        async with _place(postgres) as place:
            for item in items:
                if item.postgres == postgres:
                    results[item.name], took = await _measure(item, place, within=min(ITEM_SECONDS, left))
                    left -= took
    return [results[item.name] for item in items]


def _distinct(items: Sequence[Item]) -> list[Mapping[str, str]]:
    settings = [item.postgres for item in items]
    return [each for index, each in enumerate(settings) if each not in settings[:index]]


@asynccontextmanager
async def _place(postgres: Mapping[str, str]) -> AsyncIterator[Place]:
    shutil.rmtree(DIRECTORY / "valkey", ignore_errors=True)  # an earlier run's millions of entries take long to load
    async with EmbeddedStack(DIRECTORY, postgres_settings=postgres) as stack:
        place = Place({**os.environ, **stack.environment}, DIRECTORY)
        engine = create_engine(stack.environment["WAYBILL_DATABASE_URL"])
        async with engine.begin() as connection:
            await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "head"))
        await engine.dispose()
        await place.tidy()
        yield place


async def _measure(item: Item, place: Place, *, within: float) -> tuple[Result, float]:
    """And how many seconds it took, what is prepared not counted."""
    print(f"{item.name}:", file=sys.stderr)
    if item.prepare and (failed := await _tried(item, place, "--prepare", within=PREPARE_SECONDS)).failed:
        return failed, 0.0
    began = time.monotonic()
    return await _tried(item, place, within=within), time.monotonic() - began


async def _tried(item: Item, place: Place, *options: str, within: float) -> Result:
    """What was found, or why nothing was; an item that was prepared has found nothing yet."""
    began = time.monotonic()
    try:
        printed = await _process(item, place, *options, within=within)
    except TimeoutError:
        return failure(item, f"not done after {time.monotonic() - began:.0f} s")
    except ChildProcessError as error:
        return failure(item, str(error))
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
        async with asyncio.timeout(max(0, within)):
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
