"""How files are found by words: names are split at case, digits and separators; the last word counts as a prefix."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, func, literal_column

MAX_WORDS = 1000
"""Of one document; Postgres refuses a tsvector over 1 MiB."""
MAX_WORD_LENGTH = 100
_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+|[A-Z]")


def words(text: str) -> list[str]:
    """`"annualReport2026.pdf"` -> `["annualreport2026", "annual", "report", "2026", "pdf"]`, lower case."""
    found: dict[str, None] = {}
    for whole in re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text)):
        for piece in (whole, *_PIECES.findall(whole)):
            found[piece.lower()[:MAX_WORD_LENGTH]] = None
    return list(found)


def search_document(name: str, tags: Iterable[str], metadata: Mapping[str, Any]) -> ColumnElement[Any]:
    """The tsvector of a file: words of its name weigh most, then tags, then metadata."""
    parts = (("'A'", [name]), ("'B'", tags), ("'C'", texts(metadata)))
    vectors = [func.setweight(_vector(words(" ".join(found))), literal_column(weight)) for weight, found in parts]
    return vectors[0].op("||")(vectors[1]).op("||")(vectors[2])


def search_query(q: str) -> ColumnElement[Any] | None:
    """A tsquery of all words of `q`, the last as a prefix; None where `q` has no word at all."""
    asked = [word.lower()[:MAX_WORD_LENGTH] for word in re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", q))]
    if not asked:
        return None
    # Words hold letters and digits only, so there is nothing in them that tsquery could read as an operator.
    return func.to_tsquery("simple", " & ".join([*asked[:-1], f"{asked[-1]}:*"]))


def _vector(found: list[str]) -> ColumnElement[Any]:
    return func.to_tsvector("simple", " ".join(found[:MAX_WORDS]))


def texts(value: Any) -> Iterable[str]:
    """Every word of nested metadata: keys and values alike."""
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
