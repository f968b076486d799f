"""What was promised about a file is held against what was measured, before anybody can download it."""

import mimetypes
from collections.abc import Collection
from dataclasses import dataclass

import puremagic

from domain.files.model import File, RejectedReason

UNKNOWN = "application/octet-stream"


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
    if not is_allowed(content_type, allowed_types):
        return file.reject(RejectedReason.TYPE_NOT_ALLOWED)
    return file.verified(sha256=measured.sha256, content_type=content_type)


def sniffed_type(head: bytes, *, promised: str, name: str) -> str:
    """The type that the bytes show; where they show none, the one promised, or what the name suggests."""
    try:
        found = puremagic.from_string(head, mime=True) if head else ""
    except (puremagic.PureError, ValueError):
        found = ""
    if found:
        return found
    return promised if promised != UNKNOWN else mimetypes.guess_type(name)[0] or UNKNOWN


def is_allowed(content_type: str, allowed: Collection[str]) -> bool:
    """Whether it is one of these types; `image/` stands for every image, and nothing at all for every type."""
    return not allowed or any(
        content_type.startswith(each) if each.endswith("/") else content_type == each for each in allowed
    )
