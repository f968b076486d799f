"""Names are split into the words that people look for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from domain.files.search import MAX_WORD_LENGTH, search_query, words

DIALECT: Any = PGDialect_asyncpg


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
def test_words_are_lower_case_short_and_each_only_once(text: str) -> None:
    found = words(text)

    assert len(found) == len(set(found))
    assert all(word == word.lower() and len(word) <= MAX_WORD_LENGTH for word in found)


@given(st.text())
def test_a_query_never_holds_an_operator_of_the_users(q: str) -> None:
    query = search_query(q)
    if query is not None:
        (_, text) = query.compile(dialect=DIALECT()).params.values()
        assert all(word.removesuffix(":*").isalnum() for word in text.split(" & "))
