"""PASETO, strictly: a verifier takes one version, one purpose and one use, and a token has no say in which.

The library checks no claims, takes several spellings of one token, and has at least five kinds of exceptions: here all
of that is one BadToken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Self, TypeVar
from uuid import UUID

import msgspec
import pyseto
from msgspec import Meta
from pyseto import KeyInterface

from domain.aggregate import now
from domain.errors import Unauthenticated
from infra import base64url

MAX_LENGTH = 2048
CLOCK_SKEW = timedelta(seconds=30)
Moment = Annotated[datetime, Meta(tz=True)]


class BadToken(Unauthenticated):
    """The token is missing, malformed, expired or not ours."""

    slug = "bad-token"


class Claims(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Every one is required, and no other is taken."""

    iss: str
    aud: str
    sub: UUID
    jti: UUID
    typ: str
    iat: Moment
    nbf: Moment
    exp: Moment


AnyClaims = TypeVar("AnyClaims", bound=Claims)


@dataclass(frozen=True)
class Use:
    """What tokens of one kind are for, where (`issuer` is a deployment's address), and for how long at most.

    The implicit assertion is signed with the token though it is not in it: none passes for another use or elsewhere.
    """

    header: str
    typ: str
    issuer: str
    lifetime: timedelta

    @property
    def assertion(self) -> bytes:
        return f"waybill:{self.typ}:{self.issuer}".encode()

    def seal(self, claims: Claims, key: KeyInterface, *, footer: bytes = b"") -> str:
        payload = msgspec.json.encode(claims)
        return pyseto.encode(key, payload, footer=footer, implicit_assertion=self.assertion).decode()

    def read(self, envelope: "Envelope", keys: Sequence[KeyInterface], type_: type[AnyClaims]) -> AnyClaims:
        """What one of these keys has sealed, if it holds here and now. Raises BadToken."""
        claims = self.open(envelope, keys, type_)
        self.require(claims)
        return claims

    def open(self, envelope: "Envelope", keys: Sequence[KeyInterface], type_: type[AnyClaims]) -> AnyClaims:
        """What one of these keys has sealed, be it over or not. Raises BadToken."""
        payload = envelope.open(keys, assertion=self.assertion)
        try:
            return msgspec.json.decode(payload, type=type_)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadToken from error

    def require(self, claims: Claims) -> None:
        """Raises BadToken unless they hold here and now."""
        if not self._holds(claims):
            raise BadToken

    def _holds(self, claims: Claims) -> bool:
        ours = claims.iss == claims.aud == self.issuer and claims.typ == self.typ
        moment = now()
        begun = max(claims.iat, claims.nbf) <= moment + CLOCK_SKEW
        return ours and begun and moment < claims.exp <= claims.iat + self.lifetime


@dataclass(frozen=True)
class Envelope:
    """A token whose form is right. Nothing in it can be believed before it is opened, the footer neither."""

    token: str
    footer: bytes

    @classmethod
    def of(cls, token: str, *, header: str) -> Self:
        """Raises BadToken."""
        if len(token) > MAX_LENGTH or not token.startswith(header):
            raise BadToken
        body, dot, footer = token.removeprefix(header).partition(".")
        try:
            base64url.decode(body)
            found = base64url.decode(footer)
        except ValueError as error:
            raise BadToken from error
        if not body or bool(dot) != bool(footer):
            raise BadToken
        return cls(token, found)

    def open(self, keys: Sequence[KeyInterface], *, assertion: bytes) -> bytes:
        """The payload. Raises BadToken, the same for whatever is wrong: a stranger learns nothing from it."""
        try:
            payload = pyseto.decode(list(keys), self.token, implicit_assertion=assertion).payload
        except Exception as error:
            raise BadToken from error
        if not isinstance(payload, bytes):
            raise BadToken
        return payload
