"""Service tokens: PASETO v4.public. Anybody who has our public keys can verify them; we also ask whether they live."""

import re
from datetime import timedelta
from typing import Annotated

from msgspec import Meta
from pyseto import KeyInterface

from api.paseto import BadToken, Claims, Envelope, Use
from api.signing_keys import SigningKeys
from domain.actor import Actor, Scope
from domain.service_tokens.commands import MAX_LIFETIME
from domain.service_tokens.model import ServiceToken
from domain.service_tokens.queries import living_token
from infra.paserk import public_half
from outbox.session import Sessions

HEADER = "v4.public."
FOOTER = re.compile(rb'\{"kid":"(k4\.pid\.[A-Za-z0-9_-]{44})"\}')


class ServiceClaims(Claims, frozen=True):
    """`sub` is the id of the account in whose name the service acts, `jti` the token's own."""

    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=len(Scope))]


class ServiceTokens:
    """Issues with the key that it is given, verifies with the one that the footer names."""

    def __init__(self, keys: SigningKeys, sessions: Sessions, *, issuer: str) -> None:
        """`issuer` is this deployment's address, `public_url`."""
        self._keys, self._sessions = keys, sessions
        self._use = Use(HEADER, "service", issuer, MAX_LIFETIME + timedelta(seconds=1))

    def issue(self, token: ServiceToken, key: KeyInterface) -> str:
        moment = token.created_at.replace(microsecond=0)
        claims = ServiceClaims(
            iss=self._use.issuer,
            aud=self._use.issuer,
            sub=token.account_id,
            jti=token.id,
            typ=self._use.typ,
            scopes=[Scope(each) for each in token.scopes],
            iat=moment,
            nbf=moment,
            exp=token.expires_at,
        )
        return self._use.seal(claims, key, footer=b'{"kid":"%s"}' % public_half(key).to_paserk_id().encode())

    async def verify(self, token: str) -> Actor:
        """Raises BadToken, for a revoked one too."""
        envelope = Envelope.of(token, header=HEADER)
        footer = FOOTER.fullmatch(envelope.footer)
        kid = footer[1].decode() if footer else ""
        key = await self._keys.find(kid) if kid else None
        if key is None:
            raise BadToken
        claims = self._use.read(envelope, [key], ServiceClaims)
        async with self._sessions() as session:
            living = await living_token(session, claims.jti)
        if living is None or not _is_this(living, claims, kid):
            raise BadToken
        scopes = frozenset(claims.scopes)
        return Actor(account_id=claims.sub, service_token_id=claims.jti, scopes=scopes, expires_at=claims.exp)


def _is_this(living: ServiceToken, claims: ServiceClaims, kid: str) -> bool:
    """Whoever has stolen a key still cannot give a token more than we gave it."""
    return (living.kid, living.account_id, set(living.scopes)) == (kid, claims.sub, set(claims.scopes))
