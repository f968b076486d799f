"""Two forms are the same if nothing but their boundary tells them apart."""

import hashlib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from api.form_digest import FormDigest

PARTS = st.lists(st.text("\r\n-ab", max_size=20).map(str.encode), min_size=1, max_size=4)


def digest(body: bytes, boundary: bytes, cuts: list[int]) -> bytes:
    found = FormDigest(hashlib.blake2b(), boundary)
    for begin, end in pairwise([0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]):
        found.update(body[begin:end])
    return found.digest()


def form(parts: list[bytes], boundary: bytes) -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


@given(PARTS, PARTS, st.lists(st.integers(0, 100)), st.lists(st.integers(0, 100)))
def test_only_what_stands_between_boundaries_counts_however_it_is_cut(
    one: list[bytes], other: list[bytes], cuts: list[int], others: list[int]
) -> None:
    same = digest(form(one, b"x"), b"x", cuts) == digest(form(other, b"yz"), b"yz", others)

    assert same == (one == other)
