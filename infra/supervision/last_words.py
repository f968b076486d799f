"""What a log tells about an end: the line that gives the reason, out of the many around it."""

import json
import os
import re
from pathlib import Path

from infra import disk

TAIL_BYTES = 16 * 1024
TAIL_LINES = 3
FULL_BYTES = 1024 * 1024
"""With less than this left, the line that would have said so may not have reached the log."""

_STAMP = re.compile(r"^(\d+:[A-Z] \d\d \w{3} \d{4} [\d:.]+ [#*.-] |\d{4}[-/]\d\d[-/]\d\d [\d:.]+( [A-Z]+ \[\d+\])? ?)")
_REASONS = (
    re.compile(r"No space left on device|Disk quota exceeded"),
    re.compile(r"\b(PANIC|FATAL): (?!.*(the database system is|terminating))"),
    re.compile(r"^waybill: "),
    re.compile(r"^\d+:[A-Z] .* # \w"),  # Valkey marks what matters with a #
    re.compile(r"\bCRITICAL\b"),
)
"""The first that matches anything wins; of its lines, the last."""


def tail(log: Path, start: int) -> list[str]:
    """The last lines that were written from the offset `start` on; none if the log is gone."""
    try:
        with log.open("rb") as file:
            file.seek(max(start, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip()]


def reason(lines: list[str]) -> str:
    """The telling line without its time stamp, or else the last few; empty if there is none."""
    lines = [_in_words(line) for line in lines]
    for pattern in _REASONS:
        for line in reversed(lines):
            if pattern.search(line):
                return _STAMP.sub("", line).removeprefix("waybill: ")
    last = 1 if any(line.startswith("Traceback ") for line in lines) else TAIL_LINES
    return " | ".join(_STAMP.sub("", line) for line in lines[-last:])


def _in_words(line: str) -> str:
    """A line of ours in JSON as it would stand in a log for people."""
    try:
        said = json.loads(line)
        event, level = said["event"], said["level"]
    except (ValueError, TypeError, KeyError):
        return line
    raised = [f"{each['exc_type']}: {each['exc_value']}" for each in said.get("exception", ())[:1]]
    words = ": ".join([event, *([said["error"]] if "error" in said else []), *raised])
    return f"waybill: {words}" if level == "critical" else words


def tells_of_a_full_disk(lines: list[str], log: Path) -> bool:
    """Whether the lines say so, or there were none to be had since they found no room either."""
    return any(_REASONS[0].search(line) for line in lines) or disk.free_bytes(log.parent) < FULL_BYTES
