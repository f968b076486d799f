"""A stack does not start on a disk that is nearly full, and says so when it becomes so."""

import asyncio
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra import disk
from infra.embedded import EmbeddedStack, StackError

PLENTY = 2**62


async def test_too_little_room_is_one_line_with_both_figures(tmp_path: Path) -> None:
    with pytest.raises(StackError) as refused:
        async with EmbeddedStack(tmp_path / "d", least_free=PLENTY):
            pass

    line = str(refused.value)
    assert line.startswith(f"the disk of {tmp_path / 'd'} has ")
    assert f" MiB left, and {PLENTY // disk.MIB} MiB are wanted: free some space" in line
    assert list((tmp_path / "d").iterdir()) == []


async def test_a_disk_that_fills_and_empties_is_told_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = [PLENTY, 3 * disk.MIB, 2 * disk.MIB, PLENTY, PLENTY]
    finished = asyncio.Event()

    def disk_usage(_: Path) -> SimpleNamespace:
        if len(free) == 1:
            finished.set()
        return SimpleNamespace(free=free.pop(0) if free else PLENTY)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    lines: list[str] = []
    watching = asyncio.create_task(disk.watch(tmp_path, lines.append, every=0.001))
    await finished.wait()
    watching.cancel()

    assert [line.split(" MiB")[0] for line in lines] == [
        f"the disk of {tmp_path} has only 3",
        f"the disk of {tmp_path} has room again: {PLENTY // disk.MIB}",
    ]
