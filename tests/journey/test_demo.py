"""`waybill demo` does the main job with real processes, from an empty directory to the last event."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

from infra import running


async def test_the_demo_holds_on_a_stack_of_its_own(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "waybill", "demo", "--data-dir", str(data_dir)),
        env={name: value for name, value in os.environ.items() if not name.startswith("WAYBILL_")},
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        output, errors = (each.decode() for each in await process.communicate())
    finally:
        if process.returncode is None:
            process.terminate()

    assert (process.returncode, errors) == (0, "")
    _tells_everything(output)
    assert running.environment(data_dir) is None
    assert not [path for path in (data_dir / "s3").rglob("*") if path.is_file()]


def _tells_everything(output: str) -> None:
    assert "\x1b" not in output
    for said in (
        "upload backup-of-monday.bin straight to S3  30.0 MiB, 2 parts",
        'download naïve "résumé" — 報告 Отчёт.txt',
        'share naïve "résumé" — 報告 Отчёт.txt  one download, with a password',
        ", then 410 Gone",
        "upload with a wrong checksum  checksum_mismatch",
        "verify by the mail received  “Confirm your address”",
        "Everything held: 24 steps and 18 events",
    ):
        assert said in output
    for type_, times in (
        ("uploaded", 5),
        ("available", 4),
        ("indexed", 4),
        ("rejected", 1),
        ("deleted", 1),
        ("shared", 1),
        ("downloaded", 1),
    ):
        assert output.count(f"  file.{type_} ") == times
