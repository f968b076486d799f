"""The secrets of a data dir: each a file below `keys/`, made the first time, and looked at before anything starts."""

import base64
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
    return f"k4.local.{_base64(secrets.token_bytes(32))}"


def _secret_key() -> str:
    """PASERK wants the Ed25519 seed and then its public key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - needed once

    key = Ed25519PrivateKey.generate()
    return f"k4.secret.{_base64(key.private_bytes_raw() + key.public_key().public_bytes_raw())}"


def _s3_key() -> str:
    return json.dumps([secrets.token_hex(10).upper(), secrets.token_urlsafe(30)])


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


LOCAL = Key("local.key", _local_key, r"k4\.local\.[\w-]{43}", "access tokens issued so far end")
SECRET = Key("secret.key", _secret_key, r"k4\.secret\.[\w-]{86}", "service tokens issued so far end")
S3 = Key("s3.json", _s3_key, r'\["\w+", "[\w-]+"\]', "links signed so far end")
EVERY = (LOCAL, SECRET, S3)
