"""Files as people name them: words by Zipf's law, dates, numbers, extensions."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from uuid import UUID

from domain.files.search import filters, ranked

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


def some_kinds(chance: random.Random, count: int) -> list[Kind]:
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
