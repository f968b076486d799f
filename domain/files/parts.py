"""How an upload is cut into parts that S3 takes: at most 10,000 of them, each but the last at least 5 MiB."""

from dataclasses import dataclass

MIB = 1024 * 1024
MIN_PART_SIZE = 16 * MIB
MAX_PARTS = 10_000
MAX_OBJECT_SIZE = 5 * 1024 * 1024 * MIB


@dataclass(frozen=True)
class PlannedPart:
    """`size` in bytes."""

    number: int
    size: int


def part_size(total: int) -> int:
    """Bytes of each part but the last, in whole MiB."""
    smallest = -(-total // MAX_PARTS)
    return max(MIN_PART_SIZE, -(-smallest // MIB) * MIB)


def plan(total: int, size: int | None = None) -> list[PlannedPart]:
    """The parts of `total` bytes. There is always one, if only an empty one."""
    size = size or part_size(total)
    full, rest = divmod(total, size)
    sizes = [size] * full + ([rest] if rest or not full else [])
    return [PlannedPart(number, each) for number, each in enumerate(sizes, start=1)]
