"""An effect that is easy, or takes its time, or fails, as the name of the event says."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncSession

from consumers.subscription import Effect, Unmendable
from domain.files.events import FileUploaded
from tests.consumers.steps import note

KINDS = ("plain", "slow", "stumbles", "poison")
"""Handled at once, while other things happen, the second time, or never."""


def an_effect() -> Effect:
    stumbled = set()

    async def noted(session: AsyncSession, event: FileUploaded) -> None:
        await note(session, event)
        kind, _, _ = event.name.partition(" ")
        if kind == "slow":
            await asyncio.sleep(0.03)
        if kind == "poison":
            raise Unmendable(event.name)
        if kind == "stumbles" and event.name not in stumbled:
            stumbled.add(event.name)
            raise RuntimeError(event.name)

    return noted
