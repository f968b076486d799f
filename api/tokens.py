"""Access tokens: PASETO v4.local, which only this service can read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pyseto import KeyInterface

from api.paseto import BadToken, Claims, Envelope, Use
from domain.actor import Actor
from domain.aggregate import new_id, now
from infra.keyring import KeyRing

LIFETIME = timedelta(minutes=15)
HEADER = "v4.local."
REMEMBERED = 10_000
"""Tokens of ours, opened; some 15 MB."""


class AccessClaims(Claims, frozen=True):
    """`sub` is the account's id, `sid` the session's."""

    sid: UUID


@dataclass(frozen=True)
class AccessToken:
    token: str
    expires_at: datetime


class AccessTokens:
    """Issues with the newest key and verifies with all. Tokens of another deployment are not ours, whatever the key."""

    def __init__(self, keys: KeyRing, *, issuer: str, use: str = "access") -> None:
        """`issuer` is this deployment's address, `public_url`; what is for one use is good for no other."""
        self._keys = keys
        self._use = Use(HEADER, use, issuer, LIFETIME)
        self._opened: dict[str, AccessClaims] = {}
        self._opened_with: Sequence[KeyInterface] = ()

    def issue(self, account_id: UUID, session_id: UUID, *, until: datetime | None = None) -> AccessToken:
        """Good for as long as such tokens are, or `until` sooner."""
        moment = now().replace(microsecond=0)
        claims = AccessClaims(
            iss=self._use.issuer,
            aud=self._use.issuer,
            sub=account_id,
            sid=session_id,
            jti=new_id(),
            typ=self._use.typ,
            iat=moment,
            nbf=moment,
            exp=min(filter(None, (moment + LIFETIME, until))),
        )
        return AccessToken(self._use.seal(claims, self._keys.current), claims.exp)

    def verify(self, token: str) -> Actor:
        """Raises BadToken."""
        claims = self._remembered(token) or self._open(token)
        self._use.require(claims)
        return Actor(account_id=claims.sub, session_id=claims.sid, expires_at=claims.exp)

    def _remembered(self, token: str) -> AccessClaims | None:
        """To open one takes longer than to read a row; a token comes with every request of its quarter of an hour."""
        if self._keys.keys is not self._opened_with:
            self._opened, self._opened_with = {}, self._keys.keys
        return self._opened.get(token)

    def _open(self, token: str) -> AccessClaims:
        envelope = Envelope.of(token, header=HEADER)
        if envelope.footer:
            raise BadToken
        claims = self._use.open(envelope, self._opened_with, AccessClaims)
        if len(self._opened) >= REMEMBERED:
            del self._opened[next(iter(self._opened))]
        self._opened[token] = claims
        return claims
