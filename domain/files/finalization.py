"""What was promised about a file is held against what was measured, before anybody can download it."""

from collections.abc import Collection
from dataclasses import dataclass

from domain.files.model import File, RejectedReason
from domain.files.sniffing import essence, is_posing, sniffed_type


@dataclass(frozen=True)
class Measured:
    """What S3 really holds, and where: bytes, SHA-256 in hex, and the first few kB.

    Where the size alone breaks the promise, nothing was read.
    """

    key: str
    size: int
    sha256: str = ""
    head: bytes = b""


def verdict(file: File, measured: Measured | None, *, max_size: int, allowed_types: Collection[str]) -> None:
    """Make the file available, or rejected with its reason; `measured` is None where S3 has nothing. Sizes in bytes."""
    if measured is None:
        return file.reject(RejectedReason.OBJECT_MISSING)
    if measured.size > max_size:
        return file.reject(RejectedReason.TOO_LARGE)
    if measured.size != file.size:
        return file.reject(RejectedReason.SIZE_MISMATCH)
    if file.sha256 is not None and file.sha256 != measured.sha256:
        return file.reject(RejectedReason.CHECKSUM_MISMATCH)
    content_type = sniffed_type(measured.head, promised=file.content_type, name=file.name)
    if not is_allowed(content_type, allowed_types) or (allowed_types and is_posing(measured.head, content_type)):
        return file.reject(RejectedReason.TYPE_NOT_ALLOWED)
    file.verified(sha256=measured.sha256, content_type=content_type)
    return file.expire_if_over()


def is_allowed(content_type: str, allowed: Collection[str]) -> bool:
    """Whether it is one of these types; `image/` stands for every image, and nothing at all for every type."""
    shown = essence(content_type)
    return not allowed or any(shown.startswith(each) if each.endswith("/") else shown == each for each in allowed)
