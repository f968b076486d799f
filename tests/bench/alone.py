"""One item in a process of its own, which can be ended whatever it does: `python -m tests.bench.alone NAME DIRECTORY`.

Prints the result as JSON; with `--prepare` only makes what is kept from run to run.
"""

import argparse
import gc
import math
import os
import sys
import time
from pathlib import Path

import msgspec
import uvloop

from infra import streams
from tests.bench.item import Item, Measured, Side, Sides, Unavailable, discover
from tests.bench.place import Place
from tests.bench.result import Result, machine, result

BEGAN = time.monotonic()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--seconds", type=float, default=math.inf, help="that it has, if fewer than it asks for")
    given = parser.parse_args()
    item, place = discover()[given.name], Place(dict(os.environ), given.directory)
    gc.freeze()  # what is imported for other items is no burden of a floor in this process
    if given.prepare:
        uvloop.run(prepared(item, place))
    else:
        end = BEGAN + min(item.seconds, given.seconds)
        sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(measured(item, place, end))))


async def prepared(item: Item, place: Place) -> None:
    if item.prepare:
        await item.prepare(place)


async def measured(item: Item, place: Place, end: float) -> Result:
    """Ours and the floor in turns, each going first in every other round, so that a drift hits both alike.

    The peers come first. No round begins that would not be done by the end, so that on a slow or busy machine there are
    fewer than asked for; one there is in any case.
    """
    durability = await place.durability()
    if set(durability.values()) != {"on"}:
        raise RuntimeError(f"the database is not durable: {durability}")
    async with streams.connect(place.redis_url) as redis:
        await redis.flushall()
    settings = machine() | durability | dict(item.postgres)
    async with item.measuring(place) as sides:
        peers = {name: await _peer(side) for name, side in sides.peers.items()}
        ours, floor = await _rounds(item, sides, end)
    return result(item, ours, floor, peers, settings | dict(sides.settings))


async def _rounds(item: Item, sides: Sides, end: float) -> tuple[list[Measured], list[Measured]]:
    found: tuple[list[Measured], list[Measured]] = ([], [])
    in_turn, longest = [(sides.ours, found[0]), (sides.floor, found[1])], 0.0
    for number in range(item.warm_up + item.rounds):
        began = time.monotonic()
        if found[0] and began + longest > end:
            break
        for side, runs in in_turn:
            if side is not None:
                runs.append(await _run(side))
                print(f"  {item.name} {side.__name__}: {runs[-1].figure:,.4g} {item.unit}", file=sys.stderr)
        in_turn.reverse()
        if number < item.warm_up:
            for runs in found:
                runs.clear()
        longest = max(longest, time.monotonic() - began)
    return found


async def _run(side: Side) -> Measured:
    found = await side()
    return found if isinstance(found, Measured) else Measured(found)


async def _peer(side: Side) -> float | str:
    try:
        return (await _run(side)).figure
    except Unavailable as why:
        return str(why)


if __name__ == "__main__":
    main()
