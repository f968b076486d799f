"""Files as people name them: words by Zipf's law, dates, numbers, extensions. One owner has a tenth of them."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from uuid import UUID

from domain.files.search import filters, fold, mark, ranked

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
SYLLABLES = [
    "ba",
    "be",
    "bi",
    "co",
    "da",
    "de",
    "fo",
    "ga",
    "hu",
    "in",
    "ka",
    "la",
    "lo",
    "ma",
    "mi",
    "no",
    "or",
    "pa",
    "qui",
    "re",
    "ri",
    "sa",
    "se",
    "ta",
    "ti",
    "to",
    "um",
    "va",
    "ve",
    "xe",
    "yo",
    "za",
]
COMMON = [
    "report",
    "invoice",
    "photo",
    "scan",
    "draft",
    "final",
    "contract",
    "meeting",
    "notes",
    "budget",
    "plan",
    "summary",
    "team",
    "project",
    "presentation",
    "screenshot",
    "holiday",
    "minutes",
    "offer",
    "letter",
    "order",
    "receipt",
    "backup",
    "export",
    "data",
    "analysis",
    "review",
    "customer",
    "annual",
    "quarterly",
    "marketing",
    "sales",
    "design",
    "logo",
    "video",
    "interview",
    "Übersicht",
    "отчёт",
    "報告",
    "résumé",
]
TYPES = {
    "pdf": "application/pdf",
    "jpg": "image/jpeg",
    "png": "image/png",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "txt": "text/plain",
    "mp4": "video/mp4",
    "zip": "application/zip",
    "csv": "text/csv",
    "wav": "audio/wav",
    "svg": "image/svg+xml",
    "glb": "model/gltf-binary",
}
COLUMNS = (
    *("id", "owner_id", "name", "name_folded", "size", "content_type", "sha256", "status", "tags", "metadata"),
    *("bucket", "key", "version", "created_at", "updated_at", "expires_at", "search"),
)
ANYBODY = UUID(int=0xFFFFFF)


class Zipf:
    """The nth is taken 1/n as often as the first."""

    def __init__(self, items: list[str]) -> None:
        self._items, self._weights = items, list(accumulate(1 / place for place in range(1, len(items) + 1)))

    def some(self, chance: random.Random, k: int = 1) -> list[str]:
        return chance.choices(self._items, cum_weights=self._weights, k=k)


@dataclass(frozen=True)
class Kind:
    """What many files have in common: what is in it, and its document for the owner `ANYBODY`."""

    name: str
    content_type: str
    tags: list[str]
    metadata: dict[str, object]
    document: str


def shelves(chance: random.Random, *, count: int, big_owner: UUID, owners: list[UUID]) -> Iterator[bytes]:
    """Lines for COPY, oldest first."""
    kinds = _kinds(chance, count // 10)
    for number in range(count):
        owner = big_owner if chance.random() < 0.1 else chance.choice(owners)
        yield _line(chance, number, owner, chance.choice(kinds))


def _kinds(chance: random.Random, count: int) -> list[Kind]:
    made_up = sorted({"".join(chance.choices(SYLLABLES, k=chance.choice((2, 2, 3, 3, 4)))) for _ in range(20_000)})
    vocabulary, tags, types = Zipf([*COMMON, *made_up]), Zipf([*COMMON, *made_up[:2000]]), Zipf(list(TYPES))
    return [_kind(chance, vocabulary, tags, types.some(chance)[0]) for _ in range(count)]


def _kind(chance: random.Random, vocabulary: Zipf, tags: Zipf, extension: str) -> Kind:
    name = _name(chance, vocabulary.some(chance, k=chance.choice((1, 2, 2, 3, 3, 4))), extension)
    tagged = list(dict.fromkeys(tags.some(chance, k=chance.choice((0, 0, 1, 2, 3)))))
    about = {"by": vocabulary.some(chance)[0], "pages": chance.randrange(200)} if chance.random() < 0.5 else {}
    document = f"{filters(ANYBODY, name, tagged, TYPES[extension])} {ranked(ANYBODY, name, tagged, about)}"
    return Kind(name, TYPES[extension], tagged, about, document)


def _name(chance: random.Random, spoken: list[str], extension: str) -> str:
    style, day = chance.randrange(5), MONDAY + timedelta(days=chance.randrange(300))
    if style == 0:
        return "".join(word.capitalize() for word in spoken) + f"{day.year}.{extension}"
    if style == 1:
        return f"IMG_{day:%Y%m%d}_{chance.randrange(10**6):06}.{extension}"
    joint = chance.choice((" ", "_", "-"))
    tail = (f"{day:%Y-%m-%d}", f"v{chance.randrange(1, 9)}", f"({chance.randrange(1, 99)})")[style - 2]
    return joint.join([*spoken, tail]) + f".{extension}"


def _line(chance: random.Random, number: int, owner: UUID, kind: Kind) -> bytes:
    made = MONDAY + timedelta(seconds=number * 25)
    over = made + timedelta(days=chance.randrange(900, 2000)) if chance.random() < 0.3 else None
    id_ = UUID(int=(int(made.timestamp() * 1000) << 80) | (0x7 << 76) | (0x2 << 62) | chance.getrandbits(62))
    values = (
        *(id_, owner, kind.name, fold(kind.name), int(chance.lognormvariate(12, 3)), kind.content_type, "0" * 64),
        *("available", "{" + ",".join(kind.tags) + "}", json.dumps(kind.metadata), "waybill", f"files/{id_}", 3),
        *(made, made, over, kind.document.replace(mark(ANYBODY), mark(owner))),
    )
    return "\t".join(map(_field, values)).encode() + b"\n"


def _field(value: object) -> str:
    return r"\N" if value is None else str(value).replace("\\", r"\\")
