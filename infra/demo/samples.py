"""The files that the demo sends, made on the spot: real ones, big ones, empty ones and oddly named ones."""

import hashlib
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1024 * 1024
PNG_SIDE = 1400
"""Pixels: with 3 bytes each, and none that compress, the picture is a little over 5 MiB."""
ARCHIVE_SIZE = 30 * MIB
READ_SIZE = 256 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A file on disk and what is said of it; `find_by` are words that find this sample and no other."""

    path: Path
    name: str
    content_type: str
    sha256: str
    find_by: str
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size


@dataclass(frozen=True, kw_only=True, slots=True)
class Samples:
    picture: Sample
    archive: Sample
    empty: Sample
    letter: Sample

    @classmethod
    def make(cls, directory: Path) -> "Samples":
        return cls(
            picture=_picture(directory),
            archive=_archive(directory),
            empty=_empty(directory),
            letter=_letter(directory),
        )

    def __iter__(self) -> Iterator[Sample]:
        return iter((self.picture, self.archive, self.empty, self.letter))


def megabytes(size: int) -> str:
    """`5242880` -> `5.0 MiB`; what is smaller than 0.1 MiB is told in bytes."""
    return f"{size / MIB:.1f} MiB" if size >= MIB // 10 else f"{size} bytes"


def pieces(path: Path, offset: int = 0, size: int | None = None) -> Iterator[bytes]:
    """`size` bytes of a file from `offset`, or the rest of it, a piece at a time."""
    left = path.stat().st_size - offset if size is None else size
    with path.open("rb") as file:
        file.seek(offset)
        while left > 0 and (piece := file.read(min(READ_SIZE, left))):
            left -= len(piece)
            yield piece


def png(width: int, height: int) -> Iterator[bytes]:
    """A picture of noise; pixels of three random bytes do not compress."""
    rows = b"".join(b"\0" + os.urandom(3 * width) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits a channel, RGB, not interlaced
    yield b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b"")):
        yield struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _picture(directory: Path) -> Sample:
    path = directory / "picture.png"
    return Sample(
        path=path,
        name="HolidayNoise2026.png",
        content_type="image/png",
        sha256=_write(path, png(PNG_SIDE, PNG_SIDE)),
        find_by="seaside holi",  # a tag, and the beginning of a word of the name
        tags=("demo", "seaside"),
        metadata={"camera": {"maker": "Randomax", "iso": 400}},
    )


def _archive(directory: Path) -> Sample:
    path = directory / "archive.bin"
    return Sample(
        path=path,
        name="backup-of-monday.bin",
        content_type="application/octet-stream",
        sha256=_write(path, (os.urandom(MIB) for _ in range(ARCHIVE_SIZE // MIB))),
        find_by="nightly",
        metadata={"schedule": "nightly"},
    )


def _empty(directory: Path) -> Sample:
    path = directory / "empty.txt"
    return Sample(path=path, name="empty.txt", content_type="text/plain", sha256=_write(path, ()), find_by="empty txt")


def _letter(directory: Path) -> Sample:
    path = directory / "letter.txt"
    text = "Ein Brief, une lettre, 手紙, письмо.\n" * 100
    return Sample(
        path=path,
        name='naïve "résumé" — 報告 Отчёт.txt',
        content_type="text/plain",
        sha256=_write(path, (text.encode(),)),
        find_by="報告 отчёт",
    )


def _write(path: Path, content: Iterable[bytes]) -> str:
    """Returns the SHA-256 in hex."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for piece in content:
            file.write(piece)
            digest.update(piece)
    return digest.hexdigest()
