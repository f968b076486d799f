"""An SMTP server on a loopback port that delivers every message into one Maildir."""

import asyncio
import sys

from infra.services.data_dir import DataDir
from infra.supervision.program import Program

MAX_MESSAGE_BYTES = 32 * 1024 * 1024


def program(data_dir: DataDir, port: int, env: dict[str, str]) -> Program:
    maildir = data_dir.path / "mail"
    for part in ("cur", "new", "tmp"):
        (maildir / part).mkdir(mode=0o700, exist_ok=True)
    arguments = ("--nosetuid", "--smtputf8", "--size", str(MAX_MESSAGE_BYTES), "--listen", f"127.0.0.1:{port}")
    return Program(
        name="smtp",
        argv=(sys.executable, "-m", "aiosmtpd", *arguments, "--class", "aiosmtpd.handlers.Mailbox", str(maildir)),
        cwd=maildir,
        env=env,
        log=data_dir.log("smtp"),
        ready=lambda: _greets(port),
    )


async def _greets(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        return (await reader.readline()).startswith(b"220")
    except OSError:
        return False
    finally:
        writer.close()
