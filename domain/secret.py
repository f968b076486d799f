"""Secrets that we give away and keep only as a hash: 32 random bytes, so that the hash needs no salt."""

import hashlib
import secrets

BYTES = 32


def new(prefix: str = "") -> str:
    """In base64url, behind a prefix by which a leaked one is recognised."""
    return prefix + secrets.token_urlsafe(BYTES)


def hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
