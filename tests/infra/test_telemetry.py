"""Where logs are JSON, everything is that this process says to stderr, its last word too."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from typing import Any

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
