"""Base64 for URLs, as PASETO and PASERK write it: without padding, and each value in one spelling alone."""

import base64
import binascii


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Raises ValueError, also for another spelling of the same bytes: padded, or with unused bits that are not 0."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if encode(raw) != text:
        raise ValueError("not the one spelling of its bytes")
    return raw
