"""An answer that is held back until it is true, or put away to be given again."""

import json
from typing import Any, Self

import msgspec
import pyseto
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from pyseto import KeyInterface

KEPT_HEADERS = frozenset({b"content-type", b"location", b"etag", b"link", b"www-authenticate", b"set-cookie"})
ASSERTION = b"waybill:command"


class Answer(msgspec.Struct):
    """A whole response: small ones only, since those of commands are."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @classmethod
    async def of(cls, app: ASGIApp, scope: Scope, receive: Receive) -> Self:
        messages: list[Any] = []

        async def hold(message: Message) -> None:
            messages.append(message)

        await app(scope, receive, hold)
        body = b"".join(message.get("body", b"") for message in messages[1:])
        return cls(messages[0]["status"], list(messages[0]["headers"]), body)

    @property
    def is_refusal(self) -> bool:
        return self.status >= 400  # noqa: PLR2004

    @property
    def is_final(self) -> bool:
        """Faults of ours, and asking too often, may have another answer next time."""
        return self.status < 500 and self.status != 429  # noqa: PLR2004

    def stands(self, scope: Scope) -> bool:
        """Whether what was done is committed: a refusal undoes it, but for one that says otherwise."""
        return not self.is_refusal or bool(scope["state"].get("stands"))

    async def send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})

    def seal(self, key: KeyInterface) -> bytes:
        """Encrypted: it may hold tokens and presigned URLs."""
        kept = Answer(self.status, [each for each in self.headers if each[0].lower() in KEPT_HEADERS], self.body)
        return pyseto.encode(key, msgspec.json.encode(kept), implicit_assertion=ASSERTION)

    @classmethod
    def unseal(cls, sealed: bytes, key: KeyInterface) -> Self:
        """Raises pyseto.DecryptError where another key has sealed it."""
        payload = pyseto.decode(key, sealed, implicit_assertion=ASSERTION).payload
        return msgspec.json.decode(payload if isinstance(payload, bytes) else json.dumps(payload), type=cls)
