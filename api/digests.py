"""`Repr-Digest` (RFC 9530): what a client says its bytes hash to."""

import base64
import re

from litestar.datastructures import Headers

from domain.errors import Invalid

HEADER = "Repr-Digest"
_MEMBER = re.compile(r"\s*sha-256\s*(?:[=;](.*))?", re.DOTALL)
_VALUE = re.compile(r":([A-Za-z0-9+/]{43}=):(\s*;.*)?\s*", re.DOTALL)


class DigestMismatch(Invalid):
    """The bytes that came are not those of the Repr-Digest."""

    slug = "digest-mismatch"


def sha256_in(headers: Headers) -> str | None:
    """In hex; None where it is given by no algorithm of ours. Raises Invalid."""
    members = ",".join(headers.getall(HEADER, [])).split(",")
    given = [found[1] for member in members if (found := _MEMBER.fullmatch(member))]
    if not given:
        return None
    value = _VALUE.fullmatch(given[-1] or "")
    if value is None:
        raise Invalid("give it as sha-256=:…: with 44 characters of base64", field=HEADER)
    return base64.b64decode(value[1]).hex()


def require_match(promised: str | None, received: str) -> None:
    """Raises DigestMismatch."""
    if promised is not None and promised != received:
        raise DigestMismatch(field=HEADER)
