"""What an operator may know of our keys: nothing that is secret."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import msgspec

from domain.service_tokens.queries import KeyUsage
from infra import keyfile, paserk
from infra.keyfile import Entry
from infra.settings import Settings

CURRENT, OLDER = "current", "verifying"


class KeyReport(msgspec.Struct, kw_only=True):
    kind: str
    kid: str
    created_at: datetime | None
    state: str
    needed_until: datetime | None = None
    living_tokens: int | None = None


def local_report(settings: Settings, *, keep_for: timedelta) -> list[KeyReport]:
    """Of the local keys, the newest first."""
    found = _entries(settings.local_key, settings.local_key_file)
    reports = [_local(found[0], CURRENT, None)] if found else []
    for newer, entry in pairwise(found):
        reports.append(_local(entry, OLDER, newer.since and newer.since + keep_for))
    return reports


def public_report(settings: Settings, used: Sequence[KeyUsage]) -> list[KeyReport]:
    """Of the keys that sign or have signed what still lives."""
    current = _entries(settings.secret_key, settings.secret_key_file)[0]
    kid = paserk.public_half(paserk.secret_key(current.paserk)).to_paserk_id()
    if kid not in {each.kid for each in used}:
        used = [KeyUsage(kid, current.since, 0, None), *used]
    found = sorted((each for each in used if each.kid == kid or each.living), key=lambda each: each.kid != kid)
    return [
        KeyReport(
            kind="public",
            kid=each.kid,
            created_at=each.created_at,
            state=CURRENT if each.kid == kid else OLDER,
            needed_until=each.last_expiry,
            living_tokens=each.living,
        )
        for each in found
    ]


def _entries(text: str | None, file: str | None) -> list[Entry]:
    return keyfile.entries_of(Path(file)) if file else keyfile.entries(text or "")


def _local(entry: Entry, state: str, needed_until: datetime | None) -> KeyReport:
    kid = paserk.local_key(entry.paserk).to_paserk_id()
    return KeyReport(kind="local", kid=kid, created_at=entry.since, state=state, needed_until=needed_until)
