"""Names are split into the words that people look for."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.files.search import (
    GRAM,
    MAX_FOLDED_LENGTH,
    MAX_WORD_LENGTH,
    asked_name,
    asked_words,
    filters,
    fold,
    ranked,
    words,
)

OWNER = uuid4()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("annualReport2026.pdf", {"annualreport2026", "annual", "report", "2026", "pdf"}),
        ("HTTPServer_v2", {"httpserver", "http", "server", "v2", "v", "2"}),
        ("naïve-Übung", {"naïve", "übung"}),
        ("報告 Отчёт", {"報告", "отчёт"}),
        ("...", set()),
    ],
)
def test_a_name_is_split_at_case_digits_and_separators(name: str, expected: set[str]) -> None:
    assert set(words(name)) == expected


@given(st.text())
def test_words_are_folded_short_and_each_only_once(text: str) -> None:
    found = words(text)

    assert len(found) == len(set(found))
    assert all(word == fold(word) and len(word) <= MAX_WORD_LENGTH for word in found)


@given(st.text(), st.text())
def test_words_of_two_texts_are_the_words_of_both(one: str, other: str) -> None:
    assert set(words(f"{one} {other}")) == set(words(one)) | set(words(other))


@given(st.text())
def test_what_is_folded_stays_as_it_is_in_whatever_case_it_comes(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert len(fold(text)) <= MAX_FOLDED_LENGTH


@pytest.mark.parametrize(("one", "other"), [("STRASSE", "straße"), ("ÉTÉ", "e\u0301te\u0301"), ("ΣΊΣΥΦΟΣ", "σίσυφος")])
def test_spellings_of_the_same_are_folded_alike(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def lexemes(text: str) -> set[str]:
    """Of a tsvector's or a tsquery's text, as far as there are no quotes within them."""
    return set(text.split("'")[1::2])


@given(st.text(st.characters(exclude_characters="'\\\0", exclude_categories=["Cs"]), min_size=1), st.data())
def test_a_name_has_every_piece_of_it_among_its_lexemes(name: str, data: st.DataObject) -> None:
    folded = fold(name)
    start = data.draw(st.integers(0, len(folded) - 1))
    needle = folded[start : data.draw(st.integers(start + 1, len(folded)))]

    stored, query = lexemes(filters(OWNER, name, (), "a/b")), asked_name(OWNER, needle)

    if len(needle) < GRAM:
        (asked,) = lexemes(query)
        assert any(lexeme.startswith(asked) for lexeme in stored)
    else:
        assert lexemes(query) <= stored


@given(st.text(alphabet=st.characters(categories=["L", "N"]), min_size=1, max_size=50), st.text())
def test_a_word_of_the_name_is_found_by_its_beginning(word: str, more: str) -> None:
    (asked, *_) = (asked_words(OWNER, word) or "").split("'")[1::2]

    stored = lexemes(ranked(OWNER, f"{word} {more}", (), {}))

    assert any(lexeme.startswith(asked) for lexeme in stored)


def test_a_query_is_of_whole_words_or_of_their_pieces() -> None:
    query = (asked_words(OWNER, "Final report2026") or "").replace(asked_words(OWNER, "x")[1:6], "")  # type: ignore[index]

    assert query == "'final' & ('report2026':* | 'report' & '2026':*)"


@pytest.mark.parametrize("q", ["", " ", "&|!()'\"; -- :*", " ".join(map(str, range(101)))])
def test_what_has_no_words_or_too_many_can_match_nothing(q: str) -> None:
    assert asked_words(OWNER, q) is None
