"""The keys of service tokens: the secret one that signs, and every public one that a token of ours may name."""

import asyncio
import time

from pyseto import KeyInterface

from domain.service_tokens.commands import RegisterKey, register_key
from domain.service_tokens.queries import all_keys
from infra.keyring import KeyRing
from infra.paserk import public_half, public_key
from outbox.session import Sessions

LOOK_EVERY = 1.0
"""Seconds: whoever invents key ids costs us one query in that time, however many they are."""


class SigningKeys:
    def __init__(self, ring: KeyRing, sessions: Sessions) -> None:
        self._ring, self._sessions = ring, sessions
        self._known: dict[str, KeyInterface] = {}
        self._looking = asyncio.Lock()
        self._next_look = 0.0

    async def current(self) -> KeyInterface:
        """The secret key that signs now. Its public half is registered, so that what it signs can be verified."""
        key = self._ring.current
        public = public_half(key)
        kid = public.to_paserk_id()
        if kid not in self._known:
            async with self._sessions.begin() as session:
                await register_key(session, RegisterKey(kid=kid, paserk=public.to_paserk()))
            self._known[kid] = public
        return key

    async def find(self, kid: str) -> KeyInterface | None:
        """The public key of this id; rotated ones are found too."""
        if kid not in self._known:
            async with self._looking:
                await self._look(kid)
        return self._known.get(kid)

    async def _look(self, kid: str) -> None:
        if kid in self._known or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_EVERY
        async with self._sessions() as session:
            self._known |= {each.kid: public_key(each.paserk) for each in await all_keys(session)}
