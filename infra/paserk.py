"""PASERK: our keys as text. Only the three forms that we use are read, in the one spelling that each key has."""

import secrets

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pyseto import Key, KeyInterface

from infra import base64url

LOCAL, SECRET, PUBLIC = "k4.local.", "k4.secret.", "k4.public."
LENGTHS = {LOCAL: 32, SECRET: 64, PUBLIC: 32}
"""Bytes of a key. A secret one is an Ed25519 seed and the public key that follows from it."""


class BadKey(Exception):
    """Not a key of the form that was asked for. The text can be shown: it repeats nothing of the key."""


def local_key(paserk: str) -> KeyInterface:
    """The key of `k4.local.…`. Raises BadKey."""
    _raw(paserk, LOCAL)
    return Key.from_paserk(paserk)


def secret_key(paserk: str) -> KeyInterface:
    """The key of `k4.secret.…`. Raises BadKey."""
    raw = _raw(paserk, SECRET)
    if _public_bytes(raw[:32]) != raw[32:]:
        raise BadKey("is a k4.secret.… whose halves do not belong together")
    return Key.from_paserk(paserk)


def public_key(paserk: str) -> KeyInterface:
    """The key of `k4.public.…`. Raises BadKey."""
    _raw(paserk, PUBLIC)
    return Key.from_paserk(paserk)


def public_half(secret: KeyInterface) -> KeyInterface:
    """What verifies what this secret key signs."""
    return public_key(PUBLIC + base64url.encode(_raw(secret.to_paserk(), SECRET)[32:]))


def new_local() -> str:
    return LOCAL + base64url.encode(secrets.token_bytes(32))


def new_secret() -> str:
    seed = secrets.token_bytes(32)
    return SECRET + base64url.encode(seed + _public_bytes(seed))


def _public_bytes(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _raw(paserk: str, form: str) -> bytes:
    wrong = BadKey(f"is not a PASERK of the form {form}…, with a key of {LENGTHS[form]} bytes")
    if not paserk.startswith(form):
        raise wrong
    try:
        raw = base64url.decode(paserk.removeprefix(form))
    except ValueError:
        raise wrong from None
    if len(raw) != LENGTHS[form]:
        raise wrong
    return raw
