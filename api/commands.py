"""A request that changes something is one transaction: its row in `commands`, the change, its events, then COMMIT.

The answer is held back until the commit has succeeded, so that nobody is told of a change that did not happen. With an
`Idempotency-Key` it is also kept, sealed, and given again to whoever asks again with the same key and body.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, cast

import msgspec
import pyseto
from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from pyseto import KeyInterface
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from api.request_id import request_id
from domain.aggregate import new_id, now
from domain.errors import Conflict, Invalid
from outbox.command_log import CommandRecord

CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
MAX_KEY_LENGTH = 255
STREAMED = {"streamed": True}
"""`opt` of routes whose body may be of any size: it is hashed as it passes, never held."""
TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")
KEPT_HEADERS = frozenset({b"content-type", b"location", b"etag", b"link"})


class IdempotencyKeyInvalid(Invalid):
    """The Idempotency-Key must be 1 to 255 visible ASCII characters."""

    slug = "idempotency-key-invalid"


class IdempotencyKeyReused(Invalid):
    """This Idempotency-Key came with another request before."""

    slug = "idempotency-key-reused"


class StillRunning(Conflict):
    """The first request with this Idempotency-Key is still running."""

    slug = "idempotency-key-in-use"


class Answer(msgspec.Struct):
    """A response, as it is kept: small ones only, since those of commands are."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class CommandMiddleware(ASGIMiddleware):
    """Opens the session of a request and ends it: with a commit where a change succeeded, with a rollback otherwise."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        scope = cast("HTTPScope", scope)
        async with scope["litestar_app"].state.sessions() as session:
            scope["state"]["session"] = session
            if scope["method"] not in CHANGING:
                await next_app(scope, receive, send)
                return
            key = _idempotency_key(scope)
            if key is None:
                await self._run(scope, receive, send, next_app, session)
            else:
                await _Keyed(scope, session, key).run(receive, send, next_app)

    async def _run(
        self, scope: HTTPScope, receive: Receive, send: Send, next_app: ASGIApp, session: AsyncSession
    ) -> None:
        answer = await _answer(next_app, scope, receive)
        if answer.status < 400:  # noqa: PLR2004
            session.add(_record(scope, answer.status))
            await session.commit()
        await _send(send, answer)


class _Keyed:
    """A request with an Idempotency-Key."""

    def __init__(self, scope: HTTPScope, session: AsyncSession, key: str) -> None:
        self._scope, self._session, self._key = scope, session, key
        self._vault: KeyInterface = scope["litestar_app"].state.local_key
        self._digest = hashlib.blake2b(key=hashlib.sha256(self._vault.to_paserk().encode()).digest(), digest_size=32)
        self._digest.update(f"{scope['method']} {scope['path']}?{scope['query_string'].decode()}\n".encode())

    async def run(self, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if not self._streamed:
            await self._lock()
        hashed = self._hashing(receive)
        if (earlier := await self._earlier()) is not None:
            await self._replay(earlier, hashed, send)
            return
        answer = await _answer(next_app, self._scope, hashed)
        await self._keep(answer, hashed)
        await _send(send, answer)

    async def _lock(self) -> None:
        """A streamed body is too long to hold a transaction open for: there, the unique key decides at the commit."""
        if not await self._session.scalar(TRY_LOCK, {"name": f"{_actor(self._scope)} {self._key}"}):
            raise StillRunning

    @property
    def _streamed(self) -> bool:
        return bool(self._scope["route_handler"].opt.get("streamed"))

    async def _earlier(self) -> CommandRecord | None:
        query = select(CommandRecord).where(
            CommandRecord.actor == _actor(self._scope), CommandRecord.idempotency_key == self._key
        )
        earlier: CommandRecord | None = await self._session.scalar(query)
        return earlier

    async def _replay(self, earlier: CommandRecord, receive: Receive, send: Send) -> None:
        await _drain(receive)
        if earlier.request_hash != self._digest.digest() or earlier.sealed_response is None:
            raise IdempotencyKeyReused
        answer = self._unseal(earlier.sealed_response)
        answer.headers.append((b"idempotent-replayed", b"true"))
        await _send(send, answer)

    async def _keep(self, answer: Answer, receive: Receive) -> None:
        """Refusals are kept too, without what they refused; faults of ours are not: those may be tried again."""
        if answer.status >= 500:  # noqa: PLR2004
            return
        await _drain(receive)
        if answer.status >= 400:  # noqa: PLR2004
            await self._session.rollback()
        record = _record(self._scope, answer.status)
        record.idempotency_key, record.request_hash = self._key, self._digest.digest()
        record.sealed_response = self._seal(answer)
        self._session.add(record)
        try:
            await self._session.commit()
        except IntegrityError as error:
            raise StillRunning from error

    def _hashing(self, receive: Receive) -> Receive:
        ended = False

        async def hashed() -> Any:
            nonlocal ended
            if ended:
                return {"type": "http.request", "body": b"", "more_body": False}
            message: Any = await receive()
            if message["type"] == "http.request":
                self._digest.update(message.get("body", b""))
                ended = not message.get("more_body", False)
            return message

        return hashed

    def _seal(self, answer: Answer) -> bytes:
        kept = Answer(answer.status, [h for h in answer.headers if h[0].lower() in KEPT_HEADERS], answer.body)
        return pyseto.encode(self._vault, msgspec.json.encode(kept), implicit_assertion=b"waybill:command")

    def _unseal(self, sealed: bytes) -> Answer:
        payload = pyseto.decode(self._vault, sealed, implicit_assertion=b"waybill:command").payload
        return msgspec.json.decode(payload if isinstance(payload, bytes) else json.dumps(payload), type=Answer)


def _idempotency_key(scope: Scope) -> str | None:
    key = Headers.from_scope(scope).get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
        raise IdempotencyKeyInvalid
    return key


def _record(scope: HTTPScope, status: int) -> CommandRecord:
    return CommandRecord(
        id=new_id(),
        name=f"{scope['method']} {scope.get('path_template') or scope['path']}",
        actor=_actor(scope),
        request_id=request_id(scope),
        status=status,
        recorded_at=now(),
    )


def _actor(scope: Scope) -> str:
    actor = scope.get("user")
    return "anonymous" if actor is None else str(actor.account_id)


async def _answer(app: ASGIApp, scope: Scope, receive: Receive) -> Answer:
    messages: list[Message] = []

    async def hold(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, hold)
    return _joined(messages)


def _joined(messages: Sequence[Any]) -> Answer:
    body = b"".join(message.get("body", b"") for message in messages[1:])
    return Answer(messages[0]["status"], list(messages[0]["headers"]), body)


async def _send(send: Send, answer: Answer) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


async def _drain(receive: Receive) -> None:
    """Read the rest of the body, so that all of it is hashed."""
    while True:
        message: Any = await receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            return
