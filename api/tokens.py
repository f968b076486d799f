"""Access tokens: PASETO v4.local, which only this service can read."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
import pyseto
from msgspec import Meta
from pyseto import Key, KeyInterface

from domain.actor import Actor
from domain.aggregate import new_id, now
from domain.errors import Unauthenticated
from infra.settings import Settings, SettingsError

LIFETIME = timedelta(minutes=15)
MAX_TOKEN_LENGTH = 2048
HEADER = "v4.local."
KEY_HEADER = "k4.local."
KEY_LENGTH = 43
"""Of 32 bytes in base64url."""
TYPE = "access"
CLOCK_SKEW = timedelta(seconds=30)
Moment = Annotated[datetime, Meta(tz=True)]


class Claims(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Every one is required; `sid` is the session's id."""

    iss: str
    aud: str
    sub: UUID
    sid: UUID
    jti: UUID
    typ: str
    iat: Moment
    nbf: Moment
    exp: Moment


class BadToken(Unauthenticated):
    """The access token is missing, malformed, expired or not ours."""

    slug = "bad-token"


@dataclass(frozen=True)
class AccessToken:
    token: str
    expires_at: datetime


class AccessTokens:
    """Issues and verifies with one key. Tokens of another deployment (`public_url`) are not ours, whatever the key."""

    def __init__(self, key: KeyInterface, *, issuer: str) -> None:
        self._key = key
        self._issuer = issuer
        self._assertion = f"waybill:{TYPE}:{issuer}".encode()

    def issue(self, account_id: UUID, session_id: UUID) -> AccessToken:
        moment = now().replace(microsecond=0)
        ours = self._issuer
        claims = Claims(
            iss=ours,
            aud=ours,
            sub=account_id,
            sid=session_id,
            jti=new_id(),
            typ=TYPE,
            iat=moment,
            nbf=moment,
            exp=moment + LIFETIME,
        )
        token = pyseto.encode(self._key, msgspec.json.encode(claims), implicit_assertion=self._assertion)
        return AccessToken(token.decode(), claims.exp)

    def verify(self, token: str) -> Actor:
        """Raises BadToken, the same for whatever is wrong."""
        try:
            claims = self._read(token)
        except Exception as error:  # the library alone has five kinds of them; a stranger learns nothing from which
            raise BadToken from error
        if not self._holds(claims):
            raise BadToken
        return Actor(account_id=claims.sub, session_id=claims.sid)

    def _read(self, token: str) -> Claims:
        if len(token) > MAX_TOKEN_LENGTH or not token.startswith(HEADER) or not _is_canonical(token[len(HEADER) :]):
            raise BadToken
        payload = pyseto.decode(self._key, token, implicit_assertion=self._assertion).payload
        return msgspec.json.decode(payload if isinstance(payload, bytes) else b"", type=Claims)

    def _holds(self, claims: Claims) -> bool:
        """Whether it is meant for us, of this kind and of this time: the library checks none of that without asking."""
        ours = claims.iss == claims.aud == self._issuer and claims.typ == TYPE
        moment = now()
        begun = max(claims.iat, claims.nbf) <= moment + CLOCK_SKEW
        return ours and begun and moment < claims.exp <= claims.iat + LIFETIME


def local_key(settings: Settings) -> KeyInterface:
    """The key of `WAYBILL_LOCAL_KEY`. Raises SettingsError."""
    paserk = settings.local_key
    if paserk is None:
        raise SettingsError("WAYBILL_LOCAL_KEY is not set: without a key nobody could log in")
    body = paserk.removeprefix(KEY_HEADER)
    if not paserk.startswith(KEY_HEADER) or len(body) != KEY_LENGTH or not _is_canonical(body):
        raise SettingsError("WAYBILL_LOCAL_KEY is not a PASERK of the form k4.local.…, with a key of 32 bytes")
    return Key.from_paserk(paserk)


def _is_canonical(text: str) -> bool:
    """Whether it is the one base64url spelling of its bytes: PASETO's own check lets others pass."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == text
