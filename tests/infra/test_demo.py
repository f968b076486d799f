"""What the demo sends is what it says: a real picture, real sizes, true checksums."""

import hashlib
import struct
import zlib
from pathlib import Path

import pytest

from infra.demo.samples import MIB, Samples, megabytes, pieces, png


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return Samples.make(tmp_path_factory.mktemp("samples"))


def _chunks(picture: bytes) -> dict[bytes, bytes]:
    """The chunks of a PNG, each held against its CRC."""
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = {}, 8
    while at < len(picture):
        (size,) = struct.unpack_from(">I", picture, at)
        kind, data = picture[at + 4 : at + 8], picture[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", picture, at + 8 + size) == (zlib.crc32(kind + data),)
        chunks[kind] = data
        at += 12 + size
    return chunks


def test_a_png_has_a_row_of_pixels_for_each_line() -> None:
    chunks = _chunks(b"".join(png(7, 5)))

    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    assert chunks[b"IHDR"] == struct.pack(">IIBBBBB", 7, 5, 8, 2, 0, 0, 0)
    rows = zlib.decompress(chunks[b"IDAT"])
    assert len(rows) == 5 * (1 + 3 * 7)
    assert not any(rows[:: 1 + 3 * 7])  # each row begins with the filter "none"


def test_the_picture_does_not_compress_below_5_mib(samples: Samples) -> None:
    assert samples.picture.size > 5 * MIB
    assert set(_chunks(samples.picture.path.read_bytes())) == {b"IHDR", b"IDAT", b"IEND"}


def test_sizes_and_names_are_those_that_break_things(samples: Samples) -> None:
    assert samples.archive.size == 30 * MIB
    assert samples.empty.size == 0
    assert samples.letter.name == 'naïve "résumé" — 報告 Отчёт.txt'


def test_every_checksum_is_that_of_the_file(samples: Samples) -> None:
    for sample in samples:
        assert hashlib.sha256(sample.path.read_bytes()).hexdigest() == sample.sha256


def test_no_two_samples_are_found_by_the_same_words(samples: Samples) -> None:
    assert len({sample.find_by for sample in samples}) == len(list(samples)) == 4


def test_pieces_join_to_the_part_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(content := bytes(range(256)) * 4096)

    assert b"".join(pieces(file)) == content
    assert b"".join(pieces(file, 1000, 700_000)) == content[1000:701_000]
    assert b"".join(pieces(file, len(content) - 3, 10)) == content[-3:]


@pytest.mark.parametrize(("size", "text"), [(0, "0 bytes"), (4500, "4500 bytes"), (5 * MIB, "5.0 MiB")])
def test_sizes_are_told_as_people_say_them(size: int, text: str) -> None:
    assert megabytes(size) == text
