"""Programs start by readiness, come back when they crash and end in order, with their parent at the latest."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from infra.supervision.child import LOG_LIMIT
from infra.supervision.program import ProgramError
from infra.supervision.supervisor import Backoff, Supervisor
from tests.infra.processes import FOREVER, a_program, eventually, is_alive

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(3600)"
)
PARENT = """
import asyncio, pathlib, sys
from infra.supervision.supervisor import Supervisor
from tests.infra.processes import a_program

async def main(directory):
    async with Supervisor() as supervisor:
        await supervisor.start(*(a_program(directory, name=name) for name in ("one", "two")))
        print(supervisor.pid("one"), supervisor.pid("two"), flush=True)
        await asyncio.sleep(3600)

asyncio.run(main(pathlib.Path(sys.argv[1])))
"""


async def test_starting_waits_until_the_program_is_ready(tmp_path: Path) -> None:
    flag = tmp_path / "flag"

    async def ready() -> bool:
        return flag.exists()

    code = f"import pathlib, time; time.sleep(0.2); pathlib.Path({str(flag)!r}).touch(); {FOREVER}"
    async with Supervisor() as supervisor:
        await supervisor.start(a_program(tmp_path, code, ready=ready))

        assert flag.exists()


async def test_a_program_that_dies_at_start_is_one_clear_line(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    code = "import sys; print('reading the map', flush=True); sys.exit('no map')"
    async with Supervisor() as supervisor:
        with pytest.raises(ProgramError, match=r"^broken exited with code 1 \(reading the map \| no map\)$"):
            await supervisor.start(a_program(tmp_path, code, name="broken", ready=never))


async def test_a_program_that_is_not_ready_in_time_is_named(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    async with Supervisor() as supervisor:
        with pytest.raises(ProgramError, match=r"^sleeper was not ready after 0\.1 s"):
            await supervisor.start(a_program(tmp_path, ready=never, ready_within=0.1))


async def test_a_missing_program_is_one_clear_line(tmp_path: Path) -> None:
    async with Supervisor() as supervisor:
        with pytest.raises(ProgramError, match="/nowhere cannot be started: No such file or directory"):
            await supervisor.run(a_program(tmp_path, argv=("/nowhere",)))


async def test_one_failure_does_not_wait_for_the_others_of_its_tier(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    began = time.monotonic()
    async with Supervisor() as supervisor:
        with pytest.raises(ProgramError, match="broken"):
            await supervisor.start(
                a_program(tmp_path, ready=never), a_program(tmp_path, "raise SystemExit(3)", name="broken", ready=never)
            )

    assert time.monotonic() - began < 5


async def test_a_program_that_crashes_is_restarted_with_backoff(tmp_path: Path) -> None:
    lines: list[str] = []
    starts = tmp_path / "starts"
    code = f"import time; open({str(starts)!r}, 'a').write(f'{{time.time()}} '); raise SystemExit(7)"
    async with Supervisor(backoff=Backoff(first=0.1, factor=3, jitter=0), report=lines.append) as supervisor:
        await supervisor.start(a_program(tmp_path, code))
        await eventually(lambda: starts.exists() and len(starts.read_text().split()) >= 3)

    times = [float(word) for word in starts.read_text().split()]
    assert times[1] - times[0] >= 0.1
    assert times[2] - times[1] >= 0.3
    assert lines[0].startswith("sleeper exited with code 7")
    assert lines[1].endswith("; 2 times so far; starting it again in 0.3 s")


def test_backoff_grows_to_its_limit() -> None:
    backoff = Backoff(first=1, factor=2, limit=30, jitter=0)

    assert [backoff.delays(failures) for failures in (1, 2, 3, 6, 5000)] == [1, 2, 4, 30, 30]


def test_what_fell_together_does_not_rise_together() -> None:
    delays = {Backoff(first=10, jitter=0.2).delays(1) for _ in range(50)}

    assert len(delays) > 1
    assert all(8 <= delay <= 10 for delay in delays)


async def test_a_stable_run_is_forgiven_its_past(tmp_path: Path) -> None:
    lines: list[str] = []
    async with Supervisor(
        backoff=Backoff(first=0.01, factor=100, stable=0.05, jitter=0), report=lines.append
    ) as supervisor:
        await supervisor.start(a_program(tmp_path, "import time; time.sleep(0.2)"))
        await eventually(lambda: len(lines) >= 3)

    assert all(line.endswith("starting it again in 0.01 s") for line in lines)


async def test_a_crash_for_want_of_room_on_the_disk_says_so(tmp_path: Path) -> None:
    lines: list[str] = []
    code = "import sys; full = open('/dev/full', 'w'); full.write('x'); full.flush()"
    async with Supervisor(report=lines.append) as supervisor:
        await supervisor.start(a_program(tmp_path, code, restart=False))
        await eventually(lambda: len(lines) == 1)

    assert "(OSError: [Errno 28] No space left on device)" in lines[0]
    assert lines[0].endswith(f"; the disk of {tmp_path} is full: free some space")


async def test_what_to_do_is_told_where_the_reason_is_known(tmp_path: Path) -> None:
    code = "import sys; sys.exit('FATAL: no map')"
    async with Supervisor() as supervisor:
        with pytest.raises(ProgramError, match=r"\(FATAL: no map\); buy one$"):
            await supervisor.run(a_program(tmp_path, code, advice={"no compass": "look up", "no map": "buy one"}))


async def test_a_program_whose_log_cannot_be_opened_comes_back_when_it_can(tmp_path: Path) -> None:
    lines: list[str] = []
    log = tmp_path / "sleeper.log"
    async with Supervisor(backoff=Backoff(first=0.05, factor=1), report=lines.append) as supervisor:
        await supervisor.start(a_program(tmp_path))
        before = supervisor.pid("sleeper")
        log.unlink()
        log.mkdir()
        os.kill(before, signal.SIGKILL)
        await eventually(lambda: len(lines) >= 2)
        log.rmdir()
        await eventually(lambda: supervisor.pid("sleeper") != before)

    assert lines[1].startswith("sleeper cannot be started: [Errno 21] Is a directory")


async def test_a_start_that_can_be_mended_is_tried_once_more(tmp_path: Path) -> None:
    lines: list[str] = []
    there = f"import os, sys; os.path.exists({str(tmp_path / 'map')!r})"
    code = f"{there} or sys.exit('no map')\nprint('up', flush=True); {FOREVER}"

    async def ready() -> bool:
        return b"up" in (tmp_path / "sleeper.log").read_bytes()

    def mend(tail: str) -> str | None:
        (tmp_path / "map").touch()
        return "drew a map" if tail == "no map" else None

    async with Supervisor(report=lines.append) as supervisor:
        await supervisor.start(a_program(tmp_path, code, ready=ready, mend=mend))

    assert lines == ["drew a map"]


async def test_tiers_stop_in_reverse_order(tmp_path: Path) -> None:
    ends = tmp_path / "ends"
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    time.sleep(0.1); open({str(ends)!r}, 'a').write(sys.argv[1] + ' '); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('up', flush=True); time.sleep(3600)"
    )
    async with Supervisor() as supervisor:
        for name in ("services", "workers", "api"):
            log = tmp_path / f"{name}.log"

            async def ready(log: Path = log) -> bool:
                return b"up" in log.read_bytes()  # noqa: ASYNC240 - a few bytes

            argv = (sys.executable, "-I", "-S", "-c", code, name)
            await supervisor.start(a_program(tmp_path, name=name, argv=argv, ready=ready))

    assert ends.read_text().split() == ["api", "workers", "services"]


async def _start_stubborn(supervisor: Supervisor, directory: Path, grace: float) -> int:
    async def ready() -> bool:
        return b"up" in (directory / "sleeper.log").read_bytes()

    await supervisor.start(a_program(directory, STUBBORN, ready=ready, grace=grace))
    return supervisor.pid("sleeper")


async def test_who_does_not_stop_within_its_grace_is_killed(tmp_path: Path) -> None:
    began = time.monotonic()
    async with Supervisor() as supervisor:
        pid = await _start_stubborn(supervisor, tmp_path, grace=0.3)

    assert not is_alive(pid)
    assert time.monotonic() - began >= 0.3


async def test_hurrying_waits_for_nobody(tmp_path: Path) -> None:
    async with Supervisor() as supervisor:
        pid = await _start_stubborn(supervisor, tmp_path, grace=60)
        asyncio.get_running_loop().call_later(0.1, supervisor.hurry)
        async with asyncio.timeout(10):
            await supervisor.stop()

    assert not is_alive(pid)


async def test_what_a_crashed_program_left_behind_is_ended(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-I', '-S', '-c', 'import time; time.sleep(3600)'])\n"
        "print(child.pid, flush=True); raise SystemExit(1)"
    )
    async with Supervisor(report=lambda _: None) as supervisor:
        await supervisor.start(a_program(tmp_path, code, restart=False))
        await eventually(lambda: (tmp_path / "sleeper.log").read_text().strip() != "")
        grandchild = int((tmp_path / "sleeper.log").read_text())

        await eventually(lambda: not is_alive(grandchild))


async def test_kill_9_of_the_parent_leaves_no_child_behind(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT, str(tmp_path)), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    children = [int(word) for word in (await parent.stdout.readline()).split()]
    assert all(map(is_alive, children))

    parent.kill()
    await parent.wait()

    await eventually(lambda: not any(map(is_alive, children)))


async def test_a_terminals_ctrl_c_reaches_no_child(tmp_path: Path) -> None:
    async with Supervisor() as supervisor:
        await supervisor.start(a_program(tmp_path))
        pid = supervisor.pid("sleeper")

        assert os.getpgid(pid) == pid != os.getpgrp()
        os.kill(pid, signal.SIGTERM)


async def test_a_large_log_makes_room(tmp_path: Path) -> None:
    (tmp_path / "sleeper.log").write_bytes(b"x" * (LOG_LIMIT + 1))
    async with Supervisor() as supervisor:
        await supervisor.run(a_program(tmp_path, "print('new')"))

    assert (tmp_path / "sleeper.log").read_text() == "new\n"
    assert (tmp_path / "sleeper.log.1").stat().st_size == LOG_LIMIT + 1
