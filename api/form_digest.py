"""A form is the same form behind another boundary: clients make a new one for each try."""

from typing import Any

from litestar.datastructures import Headers

from api.forms import boundary_of
from domain.errors import DomainError

NEWLINE = b"\r\n"


class FormDigest:
    """Of what stands between the delimiters, and how long each piece is: what a file holds is never taken for one."""

    def __init__(self, digest: Any, boundary: bytes) -> None:
        self._digest, self._delimiter = digest, NEWLINE + b"--" + boundary
        self._held = NEWLINE
        """What may be the beginning of a delimiter. Before the first one there need be no line."""
        self._length = 0

    def update(self, part: bytes) -> None:
        *pieces, rest = (self._held + part).split(self._delimiter)
        for piece in pieces:
            self._add(piece)
            self._digest.update(self._length.to_bytes(8, "big"))
            self._length = 0
        end = max(0, len(rest) - len(self._delimiter))
        self._add(rest[:end])
        self._held = rest[end:]

    def digest(self) -> bytes:
        """Of all so far."""
        whole = self._digest.copy()
        whole.update(self._held)
        return bytes(whole.digest())

    def _add(self, piece: bytes) -> None:
        self._length += len(piece)
        self._digest.update(piece)


def digest_of(headers: Headers, digest: Any) -> Any:
    """The same digest where the body is no form that can be read."""
    try:
        return FormDigest(digest, boundary_of(headers).encode(errors="replace"))
    except DomainError:
        return digest
