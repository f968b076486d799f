"""The type of a file is what its bytes show, where they contradict what its client says."""

import os

import pytest

from domain.files.sniffing import UNKNOWN, is_posing, sniffed_type

WINDOWS = (
    b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0\xb8" + bytes(43) + b"\x80\0\0\0\x0e\x1f\xba\x0e\0\xb4\x09PE\0\0d\x86"
)
MP4 = b"\0\0\0\x18ftypmp42" + bytes(40)
ARCHIVE = b"PK\x03\x04" + bytes(40)
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


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


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (WINDOWS, "application/vnd.microsoft.portable-executable"),
        (b"\x7fELF\x02\x01\x01" + bytes(60), "application/x-executable"),
        (b"\xcf\xfa\xed\xfe" + bytes(60), "application/x-mach-binary"),
        (b"\0asm\x01\0\0\0", "application/wasm"),
        *(
            (page, "text/html")
            for page in (
                *(
                    b"<!DOCTYPE html><p>",
                    b" \n<HTML>",
                    b"<script>alert(1)</script>",
                    b"<!-- hi --><html>",
                    b"<a href=x>",
                ),
                *(b"\xef\xbb\xbf<html >", "\ufeff<html><script>".encode("utf-16-le")),
            )
        ),
        (b"<svg onload='alert(1)' xmlns='http://www.w3.org/2000/svg'>", "image/svg+xml"),
        (b"<?xml version='1.0'?>\n<!-- x -->\n<svg>", "image/svg+xml"),
        (b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'>", "application/xhtml+xml"),
    ],
)
def test_a_program_or_a_page_is_never_called_anything_else(content: bytes, shown: str) -> None:
    for promised in ("image/png", "text/plain", "application/pdf", "video/mp4", UNKNOWN):
        assert sniffed_type(content, promised=promised, name="a.png") == shown
    assert sniffed_type(content, promised=f"{shown}; charset=utf-8", name="a") == f"{shown}; charset=utf-8"


@pytest.mark.parametrize(
    ("content", "promised"),
    [
        (b"BMW and Mercedes", "text/plain"),
        (b"MZ is how it begins", "text/plain"),
        (b"import os\n", "text/plain; charset=utf-8"),
        (b'{"a": 1}', "application/vnd.api+json"),
        (b"<?xml version='1.0'?><a/>", "application/atom+xml"),
        (b"a < b and c > d", "text/markdown"),
        (ARCHIVE, DOCX),
        (ARCHIVE, "application/epub+zip"),
        (ARCHIVE, "application/zip"),
        (MP4, "video/mp4"),
    ],
)
def test_what_the_bytes_do_not_contradict_stays(content: bytes, promised: str) -> None:
    assert sniffed_type(content, promised=promised, name="a") == promised


@pytest.mark.parametrize(
    ("content", "promised", "shown"),
    [
        (MP4, "image/png", "video/mp4"),
        (ARCHIVE, "image/png", "application/zip"),
        (ARCHIVE, UNKNOWN, "application/zip"),
        (b"<?xml version='1.0'?><a/>", "image/png", "application/xml"),
    ],
)
def test_what_they_contradict_does_not(content: bytes, promised: str, shown: str) -> None:
    assert sniffed_type(content, promised=promised, name="a") == shown


def test_text_poses_as_what_is_no_text() -> None:
    assert is_posing("Grüße".encode()[:-2], "image/png")
    assert is_posing(b"@echo off\r\n", "video/mp4")
    assert not is_posing(b"@echo off\r\n", "text/plain")
    assert not is_posing(b"<svg>", "image/svg+xml")
    assert not is_posing(b"%PDF-1.7 hello", "application/pdf")
    assert not is_posing(b"\xff\xfb\x90\0", "audio/mpeg")
    assert not is_posing(b"", "image/png")
