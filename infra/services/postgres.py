"""Postgres 18 from a wheel, run as our own child: durable, on a Unix socket alone, with the database created."""

import asyncio
import contextlib
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from infra.services import postgres_user
from infra.services.data_dir import DataDir, DataDirError
from infra.supervision import last_words
from infra.supervision.program import Program, ProgramError

VERSION = "18"
DATABASE = "waybill"
PORT = 5432
"""Only the name of the socket's file: nothing listens on TCP."""
CLUSTER = ("--username=postgres", "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--locale=C")
LOCALE = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions")
DAMAGE = (
    "could not (find|open|read|locate|load|access)|incompatible|is missing|[Ii]nvalid (page|checkpoint|record|magic)"
)
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_directories": ".",  # the working directory is the data directory, which is its owner's alone
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "work_mem": "8MB",
    "wal_compression": "on",
    "max_wal_size": "1GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def url(data_dir: DataDir) -> str:
    """One form for asyncpg and SQLAlchemy; the port is named since PGPORT would change it otherwise."""
    return f"postgresql://postgres@/{DATABASE}?host={quote(str(data_dir.for_sockets() / 'postgres'))}&port={PORT}"


async def program(data_dir: DataDir, settings: Mapping[str, str], env: dict[str, str]) -> Program:
    """Prepare the cluster, if need be, and say how to run it."""
    account = postgres_user.account(data_dir.path / "postgres")
    binaries = postgres_user.reachable_binaries(account)
    env = {name: value for name, value in env.items() if not name.startswith("PG")}
    pgdata = await _cluster(data_dir, binaries, account, durable=settings.get("fsync") != "off", env=env)
    await asyncio.to_thread(_end_survivor, pgdata)
    options = [f"-c{name}={value}" for name, value in {**SETTINGS, **settings}.items()]
    return Program(
        name="postgres",
        argv=(str(binaries / "postgres"), "-D", account.working_directory(pgdata), *options, _mark(pgdata)),
        cwd=pgdata,
        env=env,
        log=data_dir.log("postgres"),
        ready=lambda: _accepts(data_dir),
        stop_signal=signal.SIGINT,  # fast shutdown: sessions are ended, the checkpoint is written
        kill_signal=signal.SIGQUIT,  # immediate shutdown: SIGKILL would leave the backends to themselves
        grace=20,
        owner=account.ids,
        advice={
            "invalid permissions": f"chmod 700 {pgdata}",
            DAMAGE: f"if {pgdata} is damaged, {data_dir.way_out}",
        },
    )


async def _cluster(
    data_dir: DataDir, binaries: Path, account: postgres_user.Account, *, durable: bool, env: dict[str, str]
) -> Path:
    """The data directory, made under another name first: one that bears the name is whole."""
    pgdata = data_dir.path / "postgres"
    if pgdata.exists():
        _check(data_dir, pgdata)
        return pgdata
    fresh = account.empty_directory(data_dir.path / "postgres.new")
    sync = () if durable else ("--no-sync",)
    arguments = ("-D", account.working_directory(fresh), *CLUSTER, *LOCALE, *sync)
    await asyncio.to_thread(_initdb, (str(binaries / "initdb"), *arguments), fresh, account, env)
    return fresh.rename(pgdata)


def _initdb(argv: tuple[str, ...], fresh: Path, account: postgres_user.Account, env: dict[str, str]) -> None:
    user, group = account.ids or (None, None)
    done = subprocess.run(  # noqa: S603 - the wheel's binary with our arguments
        argv,
        cwd=fresh,
        env=env,
        user=user,
        group=group,
        extra_groups=None if user is None else (),
        umask=0o077,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DataDirError(f"postgres cannot be initialised in {fresh}: {last_words.reason(done.stderr.splitlines())}")


def _check(data_dir: DataDir, pgdata: Path) -> None:
    try:
        version = (pgdata / "PG_VERSION").read_text(errors="replace").strip()
    except OSError as error:
        raise DataDirError(
            f"{pgdata} is not a Postgres data directory ({error.strerror}: PG_VERSION): {data_dir.way_out}"
        ) from None
    if not version.isdecimal():
        raise DataDirError(f"{pgdata}/PG_VERSION is damaged: {data_dir.way_out}")
    if version != VERSION:
        raise DataDirError(
            f"{pgdata} was written by Postgres {version}, this is {VERSION}: dump it there, load it here"
        )


def _mark(pgdata: Path) -> str:
    """An argument without effect by which a process is known as this cluster's."""
    return f"-cwaybill.cluster={pgdata}"


def _end_survivor(pgdata: Path) -> None:
    """Whoever holds the data dir's lock is alone there, so a postmaster left over is ended, and a stale pid file goes.

    Postgres itself takes any living process with the pid in the file for a rival, and after a container's restart
    there always is one.
    """
    pid_file = pgdata / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError, ValueError):
        pid = int(pid_file.read_text().split("\n", 1)[0])
        if _mark(pgdata) in postgres_user.command_line(pid):
            postgres_user.end(pid, signal.SIGINT, signal.SIGQUIT)
        pid_file.unlink(missing_ok=True)


async def _accepts(data_dir: DataDir) -> bool:
    """Whether it can be used: it takes connections, and the database is there.

    Raises:
        ProgramError: if it refuses for a reason that will not pass.

    """
    import asyncpg  # noqa: PLC0415 - a tenth of a second that `waybill env` need not spend

    try:
        await _create_database(str(data_dir.for_sockets() / "postgres"))
    except (
        OSError,
        asyncpg.PostgresConnectionError,
        asyncpg.OperatorInterventionError,
        asyncpg.InsufficientResourcesError,
    ):
        return False
    except asyncpg.PostgresError as error:
        words = " ".join(str(error).split())
        advice = f"; {data_dir.way_out}" if re.search(DAMAGE, words) else ""
        raise ProgramError(f"postgres cannot be used ({words}){advice}") from None
    return True


async def _create_database(socket_directory: str) -> None:
    import asyncpg  # noqa: PLC0415

    connection = await asyncpg.connect(user="postgres", host=socket_directory, port=PORT, database="postgres")
    try:
        if not await connection.fetchval("select exists (select from pg_database where datname = $1)", DATABASE):
            await connection.execute(f'create database "{DATABASE}"')
    finally:
        await connection.close()
