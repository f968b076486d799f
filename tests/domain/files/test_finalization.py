"""The type of a file is what its bytes show, not what its client says."""

import os

import pytest

from domain.files.finalization import is_allowed, sniffed_type

UNKNOWN = "application/octet-stream"


def test_bytes_that_show_their_type_win_over_the_promise(png: bytes) -> None:
    assert sniffed_type(png, promised="text/plain", name="x.txt") == "image/png"
    assert sniffed_type(b"%PDF-1.7\n%", promised=UNKNOWN, name="x.png") == "application/pdf"


@pytest.mark.parametrize("content", [b"", b"plain words, nothing else", b"a,b\n1,2\n"])
def test_bytes_that_show_none_leave_the_promise_or_the_name(content: bytes) -> None:
    assert sniffed_type(content, promised="text/x-python", name="a.bin") == "text/x-python"
    assert sniffed_type(content, promised=UNKNOWN, name="a.csv") == "text/csv"
    assert sniffed_type(content, promised=UNKNOWN, name="a") == UNKNOWN


def test_noise_is_rarely_taken_for_something() -> None:
    taken = [sniffed_type(os.urandom(8192), promised=UNKNOWN, name="a") != UNKNOWN for _ in range(300)]

    assert sum(taken) <= 15


def test_allowed_types_are_exact_or_a_whole_family() -> None:
    assert is_allowed("image/png", ())
    assert is_allowed("image/png", ("image/",))
    assert is_allowed("image/png", ("text/plain", "image/png"))
    assert not is_allowed("image/png", ("text/", "image/pn"))
