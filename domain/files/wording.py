"""Names, sizes, kinds and times as people read them, on pages and in mails."""

import re
from datetime import UTC, datetime

TURNING = re.compile("[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Signs that nobody sees, which turn the order of what is read, or break its line."""
KINDS = {
    "application/pdf": "PDF document",
    "application/zip": "ZIP archive",
    "application/json": "JSON data",
    "text/plain": "Text",
    "text/csv": "Table (CSV)",
}
FAMILIES = {"image": "Image", "video": "Video", "audio": "Sound", "text": "Text", "font": "Font"}
UNITS = ("kB", "MB", "GB", "TB")


def shown(name: str) -> str:
    """Nothing in it makes it look like another name."""
    return TURNING.sub("\N{REPLACEMENT CHARACTER}", name)


def kind(content_type: str) -> str:
    """Of what its owner says it is."""
    essence = content_type.partition(";")[0].strip().lower()
    return KINDS.get(essence) or FAMILIES.get(essence.partition("/")[0]) or "File"


def size(count: int) -> str:
    """Of a number of bytes."""
    if count < 1000:  # noqa: PLR2004
        return "1 byte" if count == 1 else f"{count} bytes"
    value, units = count / 1000, iter(UNITS)
    unit = next(units)
    while value >= 999.95 and unit != UNITS[-1]:  # noqa: PLR2004 - it would be shown as 1000.0
        value, unit = value / 1000, next(units)
    return f"{value:.1f} {unit}"


def moment(when: datetime) -> str:
    utc = when.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y, %H:%M} UTC"


FILTERS = {"shown": shown, "kind": kind, "size": size, "moment": moment}
"""For templates."""
