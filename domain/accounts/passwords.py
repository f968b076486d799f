"""Passwords are hashed with argon2id, off the event loop and never more at once than the cores can do."""

import asyncio
import os
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

MIN_LENGTH, MAX_LENGTH = 10, 128
HASHER = PasswordHasher()
"""The library's RFC 9106 low-memory profile: 64 MiB and some tens of ms each."""
_places = asyncio.Semaphore(max(1, os.cpu_count() or 1))


async def hashed(password: str) -> str:
    async with _places:
        return await asyncio.to_thread(HASHER.hash, password)


async def matches(password: str, password_hash: str | None) -> bool:
    """Whether it is the password; as slow where there is none to compare with, so that time tells nothing."""
    async with _places:
        return await asyncio.to_thread(_matches, password, password_hash)


def _matches(password: str, password_hash: str | None) -> bool:
    try:
        return HASHER.verify(password_hash or _nobodys_hash(), password) and password_hash is not None
    except VerifyMismatchError:
        return False


@cache
def _nobodys_hash() -> str:
    return HASHER.hash(os.urandom(16).hex())
