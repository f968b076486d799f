"""What has happened can be looked at, also when Redis has forgotten it."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Mapping

import pytest
from redis.asyncio import Redis

from domain.aggregate import new_id
from tests.factories import a_file_uploaded
from tests.outbox.conftest import History, Run, answer

SUBJECT = new_id()


@pytest.fixture(autouse=True)
async def past(history: History, redis: Redis) -> None:
    await history.publish(a_file_uploaded(), a_file_uploaded(file_id=SUBJECT, name="\x1b[2Jclear"), a_file_uploaded())
    await redis.flushall()


@pytest.mark.parametrize(
    ("options", "positions"),
    [
        ((), [1, 2, 3]),
        (("--subject", str(SUBJECT)), [2]),
        (("--after", "1"), [2, 3]),
        (("--before", "3", "--limit", "1"), [1]),
        (("--type", "account.*"), []),
    ],
)
async def test_events_are_listed_by_what_is_asked(options: tuple[str, ...], positions: list[int], waybill: Run) -> None:
    found = answer(await waybill("events", "list", *options, "--json"))

    assert [int(event["sequence"]) for event in found] == positions


async def test_text_of_users_does_not_reach_the_terminal_as_it_is(waybill: Run) -> None:
    result = await waybill("events", "list")

    assert result.exit_code == 0
    assert "file.uploaded" in result.stdout
    assert "\x1b" not in result.stdout


async def test_a_tail_prints_what_happens_from_now_on(environment: Mapping[str, str], history: History) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("WAYBILL_")} | dict(environment)
    command = (sys.executable, "-u", "-m", "waybill", "events", "tail", "--json", "--after", "2")
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=PIPE, stderr=PIPE)
    assert process.stdout is not None

    assert json.loads(await process.stdout.readline())["sequence"] == "3"
    await history.publish(a_file_uploaded())
    assert json.loads(await process.stdout.readline())["sequence"] == "4"

    process.terminate()
    await process.communicate()
