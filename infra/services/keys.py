"""The secrets of a data dir: each a file below `keys/`, made the first time, and looked at before anything starts."""

import json
import re
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.services.data_dir import DataDir, DataDirError, write_private


@dataclass(frozen=True, slots=True)
class Key:
    """What a key's file is called, how to make one, what it looks like, and what ends if it is lost."""

    name: str
    make: Callable[[], str]
    looks_like: str
    loss: str

    def path(self, data_dir: DataDir) -> Path:
        return data_dir.path / "keys" / self.name

    def read(self, data_dir: DataDir) -> str:
        """The content, made now if there is no such file.

        Raises:
            DataDirError: if it is damaged, or others than its owner can read it.

        """
        path = self.path(data_dir)
        if not path.exists():
            write_private(path, self.make())
        text = path.read_text(errors="replace").strip()
        if not re.fullmatch(self.looks_like, text):
            raise DataDirError(f"{path} is damaged: restore it from a backup, or remove it for a new one ({self.loss})")
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise DataDirError(f"{path} is open to other users: chmod 600 it, or remove it for a new one ({self.loss})")
        return text


def _local_key() -> str:
    from infra import paserk  # noqa: PLC0415 - a tenth of a second, which is spent once in a data dir's life

    return paserk.new_local()


def _secret_key() -> str:
    from infra import paserk  # noqa: PLC0415

    return paserk.new_secret()


def _s3_key() -> str:
    return json.dumps([secrets.token_hex(10).upper(), secrets.token_urlsafe(30)])


def _ring(form: str) -> str:
    """One or several of these, as a rotation leaves them."""
    return rf"({form}( +# since \S+)?(\n|$))+"


LOCAL = Key("local.key", _local_key, _ring(r"k4\.local\.[\w-]{43}"), "access tokens issued so far end")
SECRET = Key("secret.key", _secret_key, _ring(r"k4\.secret\.[\w-]{86}"), "service tokens issued so far end")
S3 = Key("s3.json", _s3_key, r'\["\w+", "[\w-]+"\]', "links signed so far end")
EVERY = (LOCAL, SECRET, S3)
