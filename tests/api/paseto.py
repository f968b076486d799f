"""PASETO v4.public by its specification, not by the library that we use: what another service would do with a token.

https://github.com/paseto-standard/paseto-spec/blob/master/docs/01-Protocol-Versions/Version4.md
"""

import base64
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HEADER = "v4.public."


def unverified_footer(token: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(_bytes(token.split(".")[3]))
    return found


def verified(token: str, paserk: str, assertion: str) -> dict[str, Any]:
    """The claims. Raises InvalidSignature."""
    assert token.startswith(HEADER)
    assert paserk.startswith("k4.public.")
    body, footer = (_bytes(part) for part in token.split(".")[2:4])
    message, signature = body[:-64], body[-64:]
    key = Ed25519PublicKey.from_public_bytes(_bytes(paserk.split(".")[2]))
    key.verify(signature, _pae(HEADER.encode(), message, footer, assertion.encode()))
    claims: dict[str, Any] = json.loads(message)
    return claims


def _pae(*pieces: bytes) -> bytes:
    return b"".join([_le64(len(pieces)), *(_le64(len(piece)) + piece for piece in pieces)])


def _le64(number: int) -> bytes:
    return number.to_bytes(8, "little")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
