"""`waybill up` starts everything, says where it is, and drains; the commands it runs are stood in for by tiny ones."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil  # comes with the Postgres wheel
import pytest
from click.testing import CliRunner

from infra.up.command import env
from tests.infra.processes import eventually, is_alive

PROCESSES = ("api", "relay", "scheduler", "worker")
UP = "import sys, infra.up.command; infra.up.command.up(sys.argv[1:])"
WAYBILL = """
import http.server, os, pathlib, signal, sys, time
command = sys.argv[1]
if command == "migrate":
    sys.exit(os.environ.get("FAKE_MIGRATION"))
def end(*_):
    time.sleep(float(os.environ.get("FAKE_DRAIN", "0")))
    with open("ends", "a") as ends:
        ends.write(command + " ")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
with open("begun", "a") as begun:
    begun.write(command + " ")
if command != "api":
    time.sleep(3600)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health/live" else 404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[3])), Handler).serve_forever()
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One after the other they run in the same: only the first has a database to make."""
    return tmp_path_factory.mktemp("data")


async def _up(directory: Path, data_dir: Path, *arguments: str, **variables: str) -> Process:
    """Run it in a directory whose `waybill` module is the stand-in, which `python -m` finds first."""
    (directory / "waybill.py").write_text(WAYBILL)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", UP, "--data-dir", str(data_dir), *arguments),
        cwd=directory,
        env={name: value for name, value in os.environ.items() if not name.startswith("WAYBILL_")} | variables,
        stdout=PIPE,
        stderr=PIPE,
    )


@asynccontextmanager
async def _running(directory: Path, data_dir: Path, port: int, **variables: str) -> AsyncIterator[Process]:
    """Inside, it is ready."""
    process = await _up(directory, data_dir, "--json", "--port", str(port), **variables)
    try:
        assert process.stdout is not None
        assert json.loads(await process.stdout.readline())["url"] == f"http://127.0.0.1:{port}"
        await eventually(lambda: len((directory / "begun").read_text().split()) >= len(PROCESSES))
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_drains_the_api_first_and_exits_0(
    tmp_path: Path, data_dir: Path, number: signal.Signals
) -> None:
    async with _running(tmp_path, data_dir, _free_port()) as process:
        process.send_signal(number)
        await process.wait()

    assert process.returncode == 0
    ends = (tmp_path / "ends").read_text().split()
    assert ends[0] == "api"
    assert sorted(ends[1:]) == ["relay", "scheduler", "worker"]


async def test_a_second_ctrl_c_does_not_wait_for_the_drain(tmp_path: Path, data_dir: Path) -> None:
    async with _running(tmp_path, data_dir, _free_port(), FAKE_DRAIN="60") as process:
        process.send_signal(signal.SIGINT)
        await asyncio.sleep(0.3)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(8):
            await process.wait()

    assert process.returncode == 0


async def test_env_prints_what_a_shell_needs_while_the_stack_runs(tmp_path: Path, data_dir: Path) -> None:
    port = _free_port()
    arguments = ["--data-dir", str(data_dir)]
    variables = {"WAYBILL_QUOTA_BYTES": "4096", "WAYBILL_LOCAL_KEY": "k4.local.own"}
    async with _running(tmp_path, data_dir, port, **variables):
        shell = CliRunner().invoke(env, arguments)
        found = json.loads(CliRunner().invoke(env, [*arguments, "--json"]).stdout)

    assert shell.exit_code == 0
    assert f"export WAYBILL_PUBLIC_URL=http://127.0.0.1:{port}\n" in shell.stdout
    assert "export WAYBILL_DATABASE_URL='postgresql://" in shell.stdout
    assert found["WAYBILL_QUOTA_BYTES"] == "4096"
    assert found["WAYBILL_LOCAL_KEY"] == "k4.local.own"
    assert "WAYBILL_LOCAL_KEY_FILE" not in found
    assert CliRunner().invoke(env, arguments).exit_code == 1


def test_env_without_a_stack_is_one_line_and_exit_1(tmp_path: Path) -> None:
    result = CliRunner().invoke(env, ["--data-dir", str(tmp_path)])

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == f"Error: no stack is running in {tmp_path} (start one with: waybill up)\n"


async def test_a_taken_port_is_one_line_and_exit_1(tmp_path: Path, data_dir: Path) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        process = await _up(tmp_path, data_dir, "--port", str(port))
        _, errors = await process.communicate()

    assert process.returncode == 1
    assert errors.decode() == f"Error: port {port} is taken on this machine; choose another with --port\n"


async def test_a_failing_migration_stops_it_with_the_reason(tmp_path: Path, data_dir: Path) -> None:
    process = await _up(tmp_path, data_dir, "--port", str(_free_port()), FAKE_MIGRATION="revision 7 is unknown")
    _, errors = await process.communicate()

    assert process.returncode == 1
    assert errors.decode() == "Error: migrate exited with code 1 (revision 7 is unknown)\n"


async def test_kill_9_of_it_leaves_nothing_behind(tmp_path: Path, data_dir: Path) -> None:
    async with _running(tmp_path, data_dir, _free_port()) as process:
        children = _children(process.pid)
        assert len(children) > 8
        process.kill()
        await process.wait()

        await eventually(lambda: not any(map(is_alive, children)))
        assert CliRunner().invoke(env, ["--data-dir", str(data_dir)]).exit_code == 1


def _children(parent: int) -> list[int]:
    return [child.pid for child in psutil.Process(parent).children(recursive=True)]
