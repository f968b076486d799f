"""Server-Sent Events: what goes over the line."""

import random
from collections.abc import Iterable
from typing import Any

import msgspec

from outbox.envelope import structured_event

HEARTBEAT = b": still here\n\n"
RETRY_MS = 500, 3000
"""How long a client waits before it comes again; each another time, so that not all come at once."""


def opening() -> bytes:
    return f": waybill\nretry: {random.randint(*RETRY_MS)}\n\n".encode()  # noqa: S311 - jitter


def frame(row: Any) -> bytes:
    lines = b"".join(b"data: %b\n" % line for line in msgspec.json.encode(structured_event(row)).splitlines())
    return f"id: {row['position']}\nevent: {row['type']}\n".encode() + lines + b"\n"


def frames(rows: Iterable[Any]) -> bytes:
    return b"".join(map(frame, rows))


def farewell(reason: str) -> bytes:
    return f": {reason}\n\n".encode()
