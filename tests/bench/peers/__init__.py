"""What people would use instead, in a virtual environment of its own: two of the three need pydantic 2.

Each file is run by that environment's Python: `python FILE DATABASE_URL REDIS_URL COUNT WITHIN` prints how many jobs
were handed over in how many seconds, at most `WITHIN`. To write the jobs, to import and to connect is not counted.
"""

import asyncio
import hashlib
import shutil
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

from tests.bench.item import Side, Unavailable
from tests.bench.place import Place

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
PEERS = ("pgqueuer", "faststream_outbox", "procrastinate")
WITHIN = 15
"""Seconds: procrastinate alone would take longer than an item may."""
UV = Path(sys.executable).with_name("uv")


def peer(place: Place, name: str, count: int) -> Side:
    """Jobs a second, of `count` of them; of as many as it has done by then where that takes too long."""

    async def handed_over() -> float:
        python = await environment(place)
        async with place.database() as url:
            file = str(HERE / f"{name}_peer.py")
            printed = await _printed(
                str(python), file, url, place.redis_url, str(count), str(WITHIN), within=2 * WITHIN
            )
            done, seconds = map(float, printed.split())
            if not done:
                raise Unavailable(f"{name} has handed over nothing in {seconds:.0f} s")
            return done / seconds

    return handed_over


async def environment(place: Place) -> Path:
    """Its Python; made once for each list of requirements. Raises Unavailable."""
    version = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    directory = place.directory / f"peers-{version}"
    python = directory / "bin" / "python"
    if not (directory / "whole").exists():
        shutil.rmtree(directory, ignore_errors=True)
        await _printed(str(UV), "venv", "--quiet", "--python", sys.executable, str(directory))
        await _printed(str(UV), "pip", "install", "--quiet", "--python", str(python), "-r", str(REQUIREMENTS))
        (directory / "whole").touch()
    return python


async def _printed(*argv: str, within: float | None = None) -> str:
    """Raises Unavailable, also where it takes longer than so many seconds."""
    try:
        process = await asyncio.create_subprocess_exec(*argv, stdout=PIPE, stderr=PIPE)
    except OSError as error:
        raise Unavailable(f"{argv[0]}: {error.strerror}") from None
    try:
        async with asyncio.timeout(within):
            printed, complaints = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise Unavailable(f"not done within {within:.0f} s") from None
    if process.returncode:
        raise Unavailable(complaints.decode(errors="replace").strip().rpartition("\n")[2])
    return printed.decode()
