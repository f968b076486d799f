"""Passwords: which are taken, and how they are hashed: with argon2id, off the event loop, a few at once."""

import asyncio
import math
import os
import sys
import threading
import unicodedata
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from zxcvbn import zxcvbn
from zxcvbn.matching import L33T_TABLE

from domain.errors import Busy, Invalid

T = TypeVar("T")
MIN_LENGTH, MAX_LENGTH = 10, 128
HASHER = PasswordHasher()
"""The library's RFC 9106 low-memory profile: 64 MiB, four threads and about 0.1 s of a core each."""
COMMON_GUESSES = 10_000
"""A password that is found with fewer guesses than this is one of the commonest."""
GUESSED_LENGTH = 32
"""Characters that are looked at: guessing takes more than linear time."""
MAX_READINGS = 16
"""Ways to read the digits and signs of a password as letters: zxcvbn tries each of them, up to 576."""
PLACES = min(8, max(1, (os.cpu_count() or 1) // 2))
"""Hashes at once. Each has four threads, so this is enough for every core and leaves room for the event loop."""
MAX_WAITING = 256
PATIENCE = 10.0
"""Seconds that one waits for a place."""
NICENESS = 5
"""More than the process has, for the threads that hash: who waits for a hash can wait a little more than others."""


def _be_nice() -> None:
    if sys.platform == "linux":  # elsewhere it would be the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)


_threads = ThreadPoolExecutor(PLACES, thread_name_prefix="passwords", initializer=_be_nice)
_places = asyncio.Semaphore(PLACES)
_waiting = 0
_has_place = ContextVar("has_place", default=False)


class PasswordTooCommon(Invalid):
    """This password is among the first that anybody would guess."""

    slug = "password-too-common"


class PasswordsBusy(Busy):
    """Too many people are logging in at the moment."""


async def hashed(password: str, *, email: str) -> str:
    """The hash of a password that somebody chose for the account of `email`. Raises Invalid, PasswordsBusy."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise Invalid(f"must have {MIN_LENGTH} to {MAX_LENGTH} characters", field="password")
    return await _in_turn(lambda: _hashed_if_uncommon(password, email))


async def hashed_as_given(password: str) -> str:
    """The hash of a password whose strength is its owner's affair: of a share. Raises PasswordsBusy."""
    return await _in_turn(lambda: HASHER.hash(_normal(password)))


async def matches(password: str, password_hash: str | None) -> bool:
    """Whether it is the password; as slow where there is none to compare with, so that time tells nothing.

    Raises:
        PasswordsBusy: there are too many others.

    """
    return await _in_turn(lambda: _matches(password, password_hash))


async def renewed(password: str, password_hash: str) -> str:
    """The hash of a password that matches `password_hash`, made as hashes are made today. Raises PasswordsBusy."""
    if not HASHER.check_needs_rehash(password_hash):
        return password_hash
    return await _in_turn(lambda: HASHER.hash(_normal(password)))


@asynccontextmanager
async def turn() -> AsyncIterator[None]:
    """A place for all that is done inside: take it before anything that others need, such as a connection.

    Raises:
        PasswordsBusy: there are too many others.

    """
    if _has_place.get():
        yield
        return
    await _wait()
    had = _has_place.set(True)
    try:
        yield
    finally:
        _has_place.reset(had)
        _places.release()


def turn_if(hashes: bool) -> AbstractAsyncContextManager[None]:
    """A turn where something will be hashed."""
    return turn() if hashes else nullcontext()


async def _wait() -> None:
    global _waiting  # noqa: PLW0603 - one process has one queue
    if _waiting >= MAX_WAITING:
        raise PasswordsBusy
    _waiting += 1
    try:
        async with asyncio.timeout(PATIENCE):
            await _places.acquire()
    except TimeoutError:
        raise PasswordsBusy from None
    finally:
        _waiting -= 1


async def _in_turn(work: Callable[[], T]) -> T:
    async with turn():
        return await asyncio.get_running_loop().run_in_executor(_threads, work)


def _hashed_if_uncommon(password: str, email: str) -> str:
    if _is_common(_normal(password), email):
        raise PasswordTooCommon(field="password")
    return HASHER.hash(_normal(password))


def _is_common(password: str, email: str) -> bool:
    email = _normal(email).casefold()
    if password.casefold() in {email, email.partition("@")[0]}:
        return True
    looked_at = password[:GUESSED_LENGTH]
    return _readings(looked_at) <= MAX_READINGS and bool(zxcvbn(looked_at)["guesses"] < COMMON_GUESSES)


def _readings(password: str) -> int:
    return math.prod(len(set(signs).intersection(password)) or 1 for signs in L33T_TABLE.values())


def _matches(password: str, password_hash: str | None) -> bool:
    try:
        return HASHER.verify(password_hash or _nobodys_hash(), _normal(password)) and password_hash is not None
    except VerifyMismatchError:
        return False


def _normal(password: str) -> str:
    """One form of what looks alike, whichever keyboard it was typed on."""
    return unicodedata.normalize("NFKC", password)


@cache
def _nobodys_hash() -> str:
    return HASHER.hash(os.urandom(16).hex())
