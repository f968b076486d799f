"""How files are found: what stands in the inverted index of a file, and what is asked of it.

Every lexeme begins with its owner's mark, so that what a search costs depends on the owner's own files alone, and goes
on with its kind: a word, a piece of the name, a tag or a type.
"""

import base64
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

MAX_WORDS = 1000
"""Of a name, of tags, of metadata, each; Postgres refuses a tsvector over 1 MiB."""
MAX_ASKED = 100
"""Words of a query. Whoever asks for more finds nothing."""
MAX_WORD_LENGTH = 100
MAX_TAG_LENGTH = 64
MAX_FOLDED_LENGTH = 600
"""Characters: Postgres refuses keys of over 2.7 kB in an index."""
GRAM = 3
_WHOLE = re.compile(r"[^\W_]+")
_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+|[A-Z]")
_WORD, _NAME, _TAG, _TYPE = "w", "n", "t", "y"


def fold(text: str) -> str:
    """As texts are compared in any case and spelling: `"STRAẞE"` is `"strasse"`."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())[:MAX_FOLDED_LENGTH]


def words(text: str) -> list[str]:
    """`"annualReport2026.pdf"` -> `["annualreport2026", "annual", "report", "2026", "pdf"]`, folded."""
    return list(dict.fromkeys(word for whole in _wholes(text) for word in (_word(whole), *_split(whole))))


def texts(value: Any) -> Iterator[str]:
    """Every text of nested metadata: keys and values alike."""
    match value:
        case Mapping():
            for key, inner in value.items():
                yield key
                yield from texts(inner)
        case list():
            for inner in value:
                yield from texts(inner)
        case str() | int() | float():
            yield str(value)


def filters(owner_id: UUID, name: str, tags: Iterable[str], content_type: str) -> str:
    """What a file is filtered by, as the text of a tsvector. Without positions: none of it is ranked."""
    mine, folded, type_ = mark(owner_id), fold(name), content_type.lower()
    found = [_NAME + folded[at : at + GRAM] for at in range(len(folded))]
    found += [_TAG + tag for tag in tags]
    found += [_TYPE + each for each in (type_, type_.partition(";")[0].rstrip(), type_.partition("/")[0] + "/")]
    return " ".join(_quoted(mine + each) for each in dict.fromkeys(found))


def ranked(owner_id: UUID, name: str, tags: Iterable[str], metadata: Mapping[str, Any]) -> str:
    """The words of a file, as the text of a tsvector: those of its name weigh most, then tags, then metadata."""
    parts = (("A", words(name)), ("B", words(" ".join(tags))), ("C", words(" ".join(texts(metadata)))))
    placed = ((word, weight) for weight, found in parts for word in found[:MAX_WORDS])
    lead = mark(owner_id) + _WORD
    return " ".join(f"{_quoted(lead + word)}:{at}{weight}" for at, (word, weight) in enumerate(placed, start=1))


def asked_words(owner_id: UUID, q: str) -> str | None:
    """The text of a tsquery of all words of `q`, the last one as a prefix; None where nothing can match."""
    wholes = list(dict.fromkeys(_wholes(q)))
    if not 0 < len(wholes) <= MAX_ASKED:
        return None
    lead, (*full, last) = mark(owner_id) + _WORD, wholes
    return " & ".join([*(_either(lead, whole) for whole in full), _either(lead, last, ":*")])


def asked_name(owner_id: UUID, folded: str) -> str:
    """The text of a tsquery that holds for every name with this in it, and for some without."""
    lead = mark(owner_id) + _NAME
    if len(folded) < GRAM:
        return f"{_quoted(lead + folded)}:*"
    grams = dict.fromkeys(folded[at : at + GRAM] for at in range(len(folded) - GRAM + 1))
    return " & ".join(_quoted(lead + gram) for gram in list(grams)[:MAX_ASKED])


def asked_tag(owner_id: UUID, tag: str) -> str | None:
    """None where no file can have such a tag."""
    if len(tag) > MAX_TAG_LENGTH or "\0" in tag:
        return None
    return _quoted(mark(owner_id) + _TAG + tag)


def asked_type(owner_id: UUID, type_: str) -> str:
    """`image/png` is that type alone, `image/` every image."""
    return _quoted(mark(owner_id) + _TYPE + type_.lower())


def _either(lead: str, whole: str, prefix: str = "") -> str:
    """The whole as it stands, or else all its pieces: `report2026` is found in `annualReport2026`."""
    alone = f"{_quoted(lead + _word(whole))}{prefix}"
    pieces = _split(whole)
    if len(pieces) < 2:  # noqa: PLR2004
        return alone
    return f"({alone} | {' & '.join(_quoted(lead + piece) for piece in pieces)}{prefix})"


def _wholes(text: str) -> list[str]:
    return _WHOLE.findall(unicodedata.normalize("NFKC", text))


def _split(whole: str) -> list[str]:
    return [_word(piece) for piece in _PIECES.findall(whole)]


def _word(piece: str) -> str:
    return fold(piece)[:MAX_WORD_LENGTH]


def _quoted(lexeme: str) -> str:
    """As tsvector and tsquery read it, whatever is in it."""
    text = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{text}'"


def mark(owner_id: UUID) -> str:
    """Four characters of the id's random end. Two owners may share them: `owner_id` itself is asked as well."""
    return base64.urlsafe_b64encode(owner_id.bytes[-3:]).decode()
