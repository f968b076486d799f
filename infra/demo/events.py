"""A file's history, as it grows."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from infra.demo.outcome import DemoFailed, Event
from infra.demo.traveller import Traveller

FOLLOW_SECONDS = 60.0
POLL_SECONDS = 0.05
REJECTED = "file.rejected"
"""Nothing good follows it, so that there is no use in waiting on."""


async def history(traveller: Traveller, file_id: str) -> list[Event]:
    """What has happened to the file, oldest first."""
    page = await traveller.ask("GET", f"/v1/files/{file_id}/events", expect=200, params={"limit": 200})
    return [_event(item) for item in page.json()["items"]]


async def follow(traveller: Traveller, file_id: str, *expected: str) -> list[Event]:
    """Wait for the last of the expected events; returns them, and no others that may stand between them.

    Raises:
        DemoFailed: if it takes longer than `FOLLOW_SECONDS`, or they did not happen once each and in this order.

    """
    events: list[Event] = []
    try:
        async with asyncio.timeout(FOLLOW_SECONDS):
            while not any(event.type in {expected[-1], REJECTED} for event in events):
                await asyncio.sleep(POLL_SECONDS)
                events = await history(traveller, file_id)
    except TimeoutError:
        raise DemoFailed(f"no {expected[-1]} within {FOLLOW_SECONDS:g} s, but {_said(events)}") from None
    found = [event for event in events if event.type in {*expected, REJECTED}]
    if tuple(event.type for event in found) != expected:
        raise DemoFailed(f"expected {', '.join(expected)}, but saw {_said(events)}")
    return found


def _event(item: Mapping[str, Any]) -> Event:
    """From a CloudEvent."""
    happened = datetime.fromisoformat(item["time"])
    return Event(int(item["sequence"]), item["type"], happened, item["data"].get("reason"))


def _said(events: Sequence[Event]) -> str:
    told = (f"{event.type} ({event.reason})" if event.reason else event.type for event in events)
    return ", ".join(told) or "nothing at all"
