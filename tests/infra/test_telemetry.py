"""A process's log, as whoever collects it reads it; as JSON it is all that this process says, its last word too."""

import asyncio
import json
import os
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from typing import Any

import pytest

NOWHERE = "postgresql://nobody@127.0.0.1:9/none"
MISHAPS = """
import asyncio, threading, warnings
from infra.telemetry import configure_logging

class Reluctant:
    def __del__(self):
        raise RuntimeError("on the way out")

async def never():
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0)

configure_logging("json")
warnings.warn("take care")
Reluctant()
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
asyncio.run(never())
raise RuntimeError("nobody\\ncaught it")
"""
SETUP = """
import structlog
from infra.telemetry import configure_logging
configure_logging("{}")
log = structlog.get_logger()
"""


async def said(*arguments: str, **variables: str) -> tuple[list[Any], int | None]:
    """Each line of stderr as JSON, and the exit code."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WAYBILL_")} | variables
    running = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=environment, stdout=PIPE, stderr=PIPE
    )
    output, errors = await running.communicate()
    assert output == b""
    return [json.loads(line) for line in errors.splitlines()], running.returncode


async def test_what_python_itself_would_print_is_json() -> None:
    lines, code = await said("-c", MISHAPS)

    assert code == 1
    assert [line["level"] for line in lines] == ["warning", "error", "error", "error", "critical"]
    assert "take care" in lines[0]["event"]
    assert [line["exception"][0]["exc_value"] for line in lines[1:]] == [
        "on the way out",
        "division by zero",
        "division by zero",
        "nobody\ncaught it",
    ]
    assert not any("locals" in frame for line in lines[1:] for frame in line["exception"][0]["frames"])


async def test_why_a_command_ends_is_json_too() -> None:
    variables = {"WAYBILL_LOG_FORMAT": "json", "WAYBILL_DATABASE_URL": NOWHERE}
    ((line,), code) = await said("-m", "waybill", "migrate", **variables)

    assert (code, line["level"]) == (1, "critical")
    assert line["event"].startswith("Postgres: ")


async def test_a_migration_that_is_done_says_so_in_json(environment: Mapping[str, str]) -> None:
    lines, code = await said("-m", "waybill", "migrate", **environment, WAYBILL_LOG_FORMAT="json")

    assert code == 0
    assert lines[-1]["event"] == "migrate.done"


def logged(code: str, log_format: str = "json") -> list[str]:
    ran = subprocess.run(  # noqa: S603 - this very Python
        [sys.executable, "-c", f"{SETUP.format(log_format)}\n{code}"], capture_output=True, text=True, check=True
    )
    return ran.stderr.splitlines()


def test_a_line_is_one_json_object() -> None:
    (line,) = logged("log.info('worker.ready', consumers=['a', 'b'], seconds=1.5)")

    read = json.loads(line)
    assert read.pop("timestamp").endswith("Z")
    assert read == {"event": "worker.ready", "level": "info", "consumers": ["a", "b"], "seconds": 1.5}


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_what_happened_to_many_is_a_line_for_each(log_format: str) -> None:
    lines = logged("log.info('delivery.done', consumer='c', each=[{'position': 1}, {'position': 2}])", log_format)

    assert len(lines) == 2
    assert all("delivery.done" in line and "each" not in line for line in lines)


def test_what_json_does_not_know_is_logged_all_the_same() -> None:
    lines = logged("log.info('odd', path=b'caf\\xe9'.decode(errors='surrogateescape')); log.info('odd', what=object())")

    assert [json.loads(line)["event"] for line in lines] == ["odd", "odd"]


def test_an_error_comes_with_its_traceback_and_without_its_locals() -> None:
    (line,) = logged("try:\n  password = 'hunter2'; 1/0\nexcept ZeroDivisionError:\n  log.exception('failed')")

    assert "ZeroDivisionError" in line
    assert "hunter2" not in line


def test_nobody_who_reads_the_log_is_no_reason_to_stop() -> None:
    assert logged("import sys; sys.stderr.close(); log.info('heard by nobody')") == []
