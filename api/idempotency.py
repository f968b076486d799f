"""A request with an `Idempotency-Key`: done once, and answered the same whenever it is sent again.

Refusals are kept too, but not faults of ours. Whoever sends the same key while the first request is running is told
so; a streamed body is too long to hold a transaction open for, so there the unique key decides at the commit, and
the one who loses gets the winner's answer.
"""

import contextlib
import hashlib
import re
from collections.abc import Awaitable, Callable

from litestar import Request
from litestar.datastructures import Headers
from litestar.types import ASGIApp, HTTPScope, Receive, Scope
from pyseto import DecryptError, KeyInterface
from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from api.answers import Answer
from api.bodies import HashedBody
from api.form_digest import digest_of
from api.limits import client_address, within_limits
from api.records import actor_name, note, record
from domain.accounts import passwords
from domain.errors import Conflict, Invalid
from infra.keyring import KeyRing
from outbox.command_log import CommandRecord

STREAMED = {"streamed": True}
"""`opt` of routes whose body may be of any size: it is hashed as it passes, never held."""
HASHING = {"hashes_a_password": True}
"""`opt` of routes that wait for a place to hash: they do so before the lock takes a connection."""
TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")
SANE = re.compile(r"[!-~]{1,255}")


Earlier = Row[bytes | None, bytes | None]
"""Its request_hash and sealed_response."""


class IdempotencyKeyInvalid(Invalid):
    """The Idempotency-Key must be given once, as 1 to 255 visible ASCII characters."""

    slug = "idempotency-key-invalid"


class IdempotencyKeyReused(Invalid):
    """This Idempotency-Key came with another request before."""

    slug = "idempotency-key-reused"


class Forgotten(Conflict):
    """This Idempotency-Key came before, and what was answered cannot be read any more."""

    slug = "idempotency-key-forgotten"


class StillRunning(Conflict):
    """The first request with this Idempotency-Key is still running."""

    slug = "idempotency-key-in-use"


def idempotency_key(scope: Scope) -> str | None:
    """Raises IdempotencyKeyInvalid."""
    keys = Headers.from_scope(scope).getall("Idempotency-Key", [])
    if not keys:
        return None
    if len(keys) > 1 or not SANE.fullmatch(keys[0]):
        raise IdempotencyKeyInvalid(field="Idempotency-Key")
    return keys[0]


class Keyed:
    def __init__(self, scope: HTTPScope, session: AsyncSession, key: str) -> None:
        self._scope, self._session, self._key = scope, session, key
        self._ring: KeyRing = scope["litestar_app"].state.local_keys
        digest = hashlib.blake2b(f"{scope['method']} {scope['path']}?".encode(), digest_size=32)
        digest.update(scope["query_string"] + b"\n")
        self._body = HashedBody(digest if _is_raw(scope) else digest_of(Headers.from_scope(scope), digest))

    async def run(self, receive: Receive, app: ASGIApp) -> Answer:
        """What is true once the caller has committed. Raises StillRunning, IdempotencyKeyReused, Forgotten."""
        handler = self._scope["route_handler"]
        if handler.opt.get("streamed"):
            return await self._run_streamed(receive, app)
        body = await self._body.read(receive)
        await within_limits(Request(self._scope, body), handler)  # an answer given again is counted too
        async with passwords.turn_if(bool(handler.opt.get("hashes_a_password"))):
            return await self._run_alone(body, app)

    async def _run_alone(self, body: Receive, app: ASGIApp) -> Answer:
        if not await self._session.scalar(TRY_LOCK, {"name": f"{self._callers()[0]} {self._key}"}):
            raise StillRunning
        if (earlier := await self._earlier()) is not None:
            return self._again(earlier)
        return await self._keep(await Answer.of(app, self._scope, body))

    async def _run_streamed(self, receive: Receive, app: ASGIApp) -> Answer:
        earlier = await self._earlier()
        await self._session.rollback()  # the connection goes back: an upload may take hours
        if earlier is not None:
            await self._body.drain(receive)
            return self._again(earlier)
        answer = await Answer.of(app, self._scope, self._body.passing(receive))
        if answer.is_refusal and not self._body.ended:
            await self._session.rollback()
            return answer  # refused before all of it was seen: nobody could say whether it comes again
        return await self._keep(answer)

    async def _earlier(self) -> Earlier | None:
        query = select(CommandRecord.request_hash, CommandRecord.sealed_response).where(
            CommandRecord.actor.in_(self._callers()), CommandRecord.idempotency_key == self._key
        )
        return (await self._session.execute(query.limit(1))).one_or_none()

    def _callers(self) -> list[str]:
        """Whose key it is. The nameless are told apart by their address, hashed with each of our keys, newest first."""
        name = actor_name(self._scope)
        if self._scope.get("user") is not None:
            return [name]
        whom = client_address(Request(self._scope)).encode(errors="replace")
        return [f"{name}/{_keyed(whom, key).hex()}" for key in self._ring.keys]

    def _again(self, earlier: Earlier) -> Answer:
        answer, key = self._unsealed(earlier)
        if earlier.request_hash != self._hash(key):
            raise IdempotencyKeyReused(field="Idempotency-Key")
        answer.headers.append((b"idempotent-replayed", b"true"))
        return answer

    def _unsealed(self, earlier: Earlier) -> tuple[Answer, KeyInterface]:
        """The answer, and which of our keys kept it. Raises Forgotten: doing it twice would be worse than asking."""
        if earlier.sealed_response is None:  # forgotten after a leak
            raise Forgotten
        for key in self._ring.keys:
            with contextlib.suppress(DecryptError):
                return Answer.unseal(earlier.sealed_response, key), key
        raise Forgotten

    def _hash(self, key: KeyInterface) -> bytes:
        """Keyed at the end, so that the body need not be seen again for each key that may have been the one."""
        return _keyed(self._body.digest, key)

    async def _keep(self, answer: Answer) -> Answer:
        """What was done stays in the transaction, beside its answer; of a refusal the answer alone."""
        if not answer.stands(self._scope):
            await self._session.rollback()
        if answer.is_final:
            kept = record(self._scope, answer.status)
            key = self._ring.current
            kept.actor, kept.idempotency_key, kept.request_hash = self._callers()[0], self._key, self._hash(key)
            kept.sealed_response = answer.seal(key)
            note(self._scope, self._session, kept)
        return answer

    async def beaten(self) -> Answer | None:
        """The answer of whoever was quicker with this key; what was done outside the transaction is undone."""
        await self._session.rollback()
        if (earlier := await self._earlier()) is None:
            return None
        undo: Callable[[], Awaitable[None]] | None = self._scope["state"].get("undo")
        if undo is not None:
            await undo()
        return self._again(earlier)


def _is_raw(scope: HTTPScope) -> bool:
    """Whether the body is a file, byte by byte, whatever its type."""
    return bool(scope["route_handler"].opt.get("raw_body"))


def _keyed(value: bytes, key: KeyInterface) -> bytes:
    secret = hashlib.sha256(key.to_paserk().encode()).digest()
    return hashlib.blake2b(value, key=secret, digest_size=32).digest()
