"""Every filter finds what it should, alone and with others; pages hold together while files come and go."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from itertools import combinations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.searching import cursor_after
from domain.aggregate import now
from domain.files import finding, relevance
from domain.files.filters import FileSearch, Sort
from domain.files.model import File
from domain.files.relevance import Match
from tests.api.conftest import Client
from tests.api.matrix import assert_problem
from tests.database import Database
from tests.factories import a_pending_file, an_available_file

HOUR = timedelta(hours=1)


@pytest.fixture(params=["walking", "looking up"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found must not depend on how: a walk of no steps always ends in a look-up."""
    if request.param == "looking up":
        monkeypatch.setattr(finding, "WALK", 0)
        monkeypatch.setattr(relevance, "WALK", 0)


async def names(client: Client, **query: Any) -> list[str]:
    response = await client.get("/v1/files", params=query)
    assert response.status_code == 200, response.text
    return [item["name"] for item in response.json()["items"]]


async def stored(database: Database, client: Client, **values: Any) -> File:
    file = an_available_file(owner_id=client.account.id, **values)
    file.index()
    return await database.save(file)


@pytest.fixture
async def shelf(client: Client, stranger: Client, database: Database) -> list[str]:
    """Oldest first."""
    await stored(database, client, name="annualReport2026.pdf", tags=["finance", "It's"], size=100)
    await stored(database, client, name="Straße.PNG", content_type="image/png", size=2000, metadata={"by": ["Ada", 7]})
    await stored(database, client, name="報告 Отчёт.txt", content_type="text/plain", size=30, expires_at=now() + HOUR)
    await stored(database, client, name="report of reports.png", content_type="image/png", tags=["finance", "old"])
    await stored(database, stranger, name="report.pdf", tags=["finance"])
    return ["annualReport2026.pdf", "Straße.PNG", "報告 Отчёт.txt", "report of reports.png"]


FILTERS: list[tuple[dict[str, Any], set[int]]] = [
    ({"q": "report"}, {0, 3}),
    ({"q": "Report2026"}, {0}),
    ({"q": "annual rep"}, {0}),
    ({"q": "ANNUALREPORT"}, {0}),
    ({"q": "fin"}, {0, 3}),
    ({"q": "fin report"}, set()),
    ({"q": "strasse"}, {1}),
    ({"q": "ada"}, {1}),
    ({"q": "отч"}, {2}),
    ({"name": "PORT"}, {0, 3}),
    ({"name": "2026.p"}, {0}),
    ({"name": "ss"}, {1}),
    ({"name": "f"}, {0, 3}),
    ({"name": "告"}, {2}),
    ({"name": "ЧЁТ"}, {2}),
    ({"name": "t of r"}, {3}),
    ({"name": "portrep"}, set()),
    ({"name": ""}, {0, 1, 2, 3}),
    ({"type": "image/png"}, {1, 3}),
    ({"type": "image/"}, {1, 3}),
    ({"type": "image"}, set()),
    ({"type": "text/plain"}, {2}),
    ({"min_size": 100}, {0, 1}),
    ({"max_size": 100}, {0, 2, 3}),
    ({"min_size": 30, "max_size": 30}, {2}),
    ({"tag": "finance"}, {0, 3}),
    ({"tag": ["finance", "old"]}, {3}),
    ({"tag": "It's"}, {0}),
    ({"tag": "fin"}, set()),
    ({"created_after": "2020-01-01T00:00:00Z"}, {0, 1, 2, 3}),
    ({"created_before": "2020-01-01T00:00:00+02:00"}, set()),
    ({"expires_before": "2100-01-01T00:00:00Z"}, {2}),
    ({"status": "deleted"}, set()),
]


@pytest.mark.usefixtures("way")
async def test_each_filter_finds_what_it_should_alone_and_with_any_other(client: Client, shelf: list[str]) -> None:
    def expected(found: set[int]) -> list[str]:
        return [shelf[place] for place in sorted(found, reverse=True)]

    for query, found in FILTERS:
        assert await names(client, **query) == expected(found), query
    first_of_each = {tuple(query): (query, found) for query, found in reversed(FILTERS)}.values()
    for (one, ones), (other, others) in combinations(first_of_each, 2):
        if not one.keys() & other.keys():
            assert await names(client, **one, **other) == expected(ones & others), (one, other)


@pytest.mark.usefixtures("way")
async def test_files_come_in_the_order_asked_for(client: Client, shelf: list[str]) -> None:
    by_name = ["annualReport2026.pdf", "report of reports.png", "Straße.PNG", "報告 Отчёт.txt"]
    by_size = ["report of reports.png", "報告 Отчёт.txt", "annualReport2026.pdf", "Straße.PNG"]
    for sort, expected in (("created_at", shelf), ("name", by_name), ("size", by_size)):
        assert await names(client, sort=sort) == expected
        assert await names(client, sort=f"-{sort}") == expected[::-1]


@pytest.mark.usefixtures("way")
async def test_words_of_the_name_are_more_relevant_than_those_of_tags_and_metadata(
    client: Client, database: Database
) -> None:
    await stored(database, client, name="logo.png")
    await stored(database, client, name="a.png", tags=["logo"])
    await stored(database, client, name="b.png", metadata={"about": "logo"})

    assert await names(client, q="logo") == ["b.png", "a.png", "logo.png"]
    assert await names(client, q="logo", sort="relevance") == ["logo.png", "a.png", "b.png"]


async def test_name_tags_and_type_are_found_before_the_words_are_indexed(client: Client, database: Database) -> None:
    await database.save(an_available_file(owner_id=client.account.id, name="new.pdf", tags=["x"]))
    await database.save(a_pending_file(owner_id=client.account.id, name="newer.pdf"))

    for query in ({"name": "EW"}, {"tag": "x"}, {"type": "application/"}):
        assert await names(client, **query) == ["new.pdf"]
    assert await names(client, q="new") == []
    assert await names(client, name="new", status="pending") == ["newer.pdf"]


@pytest.mark.usefixtures("way")
async def test_what_is_over_is_expired_to_the_second_noted_or_not(client: Client, database: Database) -> None:
    noted = await stored(database, client, name="noted", expires_at=now() - HOUR)
    noted.expire()
    async with database.sessions.begin() as session:
        await session.merge(noted)
    await stored(database, client, name="over", expires_at=now() - timedelta(seconds=1))
    await stored(database, client, name="lasting", expires_at=now() + HOUR)

    assert await names(client) == ["lasting"]
    assert await names(client, status="expired") == ["over", "noted"]
    assert await names(client, status="expired", name="note") == ["noted"]
    assert await names(client, status="expired", sort="name", limit=1) == ["noted"]


HOSTILE = (
    *(
        "'",
        "''",
        '"',
        "\\",
        "\\'",
        "'; DROP TABLE files; --",
        "%",
        "_%",
        "zq & zr",
        "!zq",
        "zq <-> zr",
        "(",
        "zq:*",
        ":*",
    ),
    *("\0", "zq\0zr", "\x7f", "\ufffd", "😀", "\u202e", "x" * 10_000, "x y " * 2500, "' " * 5000, "-", "*", "${jndi}"),
)


@pytest.mark.usefixtures("way")
async def test_hostile_input_finds_nothing_and_breaks_nothing(client: Client, shelf: list[str]) -> None:
    for text in HOSTILE:
        for name in ("q", "tag", "name"):
            assert await names(client, **{name: text}) == [], (name, text)


async def test_an_odd_name_or_tag_is_found_by_itself(client: Client, database: Database) -> None:
    for text in ("'", "it's", "\\", "a\\'b", "%", "_", '"', ":*", "&", "\u202e", "ﷺ" * 60):
        odd = await stored(database, client, name=text, tags=[text])
        assert await names(client, name=text, tag=text) == [text]
        async with database.sessions.begin() as session:
            await session.delete(await session.merge(odd))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"sort": "relevance"}, "sort"),
        ({"sort": "relevance", "q": ""}, "sort"),
        ({"sort": "colour"}, "sort"),
        ({"min_size": "-1"}, "min_size"),
        ({"max_size": str(2**63)}, "max_size"),
        ({"created_after": "yesterday"}, "created_after"),
        ({"created_before": "2026-01-01T00:00:00"}, "created_before"),
        ({"type": "é"}, "type"),
        ({"status": "lost"}, "status"),
        ({"limit": "0"}, "limit"),
        ({"cursor": "x"}, "cursor"),
    ],
)
async def test_what_cannot_be_asked_is_told_by_field(client: Client, query: dict[str, str], field: str) -> None:
    problem = assert_problem(await client.get("/v1/files", params=query), 422)
    assert problem["errors"][0]["field"] == field


async def test_the_first_and_the_last_moment_of_all_time_can_be_asked_for(client: Client, shelf: list[str]) -> None:
    assert await names(client, created_after="0001-01-01T00:00:00+14:00", sort="created_at") == shelf
    assert await names(client, created_before="9999-12-31T23:59:59-12:00", sort="created_at") == shelf


async def test_a_cursor_is_good_for_its_own_search_alone(client: Client, shelf: list[str]) -> None:
    page = (await client.get("/v1/files", params={"limit": 1, "name": "report"})).json()
    for query in ({}, {"name": "repo"}, {"name": "report", "sort": "name"}):
        response = await client.get("/v1/files", params=query | {"cursor": page["next_cursor"]})
        assert assert_problem(response, 422)["errors"][0]["field"] == "cursor"
    assert await names(client, name="report", limit=7, cursor=page["next_cursor"]) == [shelf[0]]


async def test_a_forged_cursor_is_no_fault_of_ours(client: Client) -> None:
    file = an_available_file(owner_id=client.account.id)
    for sort in (Sort.OLDEST, Sort.NAME, Sort.SMALLEST):
        search = FileSearch(sort=sort)
        values: list[Any] = [None, [], "\0", "x", 2**63, -1, 1.5, "0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00"]
        for value in values:
            forged = cursor_after(search, _Forged(value, file.id))  # type: ignore[arg-type]
            response = await client.get("/v1/files", params={"sort": sort, "cursor": forged})
            assert response.status_code in {200, 422}, (value, response.text)


@pytest.mark.parametrize("year", [1, 2026, 9999])
@pytest.mark.parametrize("zone", [None, timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))])
async def test_a_forged_cursor_of_relevance_is_no_fault_of_ours(
    client: Client, year: int, zone: timezone | None
) -> None:
    moment, id_ = datetime(year, 1 if year == 1 else 12, 1 if year == 1 else 31, tzinfo=zone), client.account.id
    search = FileSearch(q="x", sort=Sort.RELEVANCE)
    forged = cursor_after(search, Match(rank=10**30, created_at=moment, id=id_, window=((moment, id_), (moment, id_))))

    response = await client.get("/v1/files", params={"q": "x", "sort": "relevance", "cursor": forged})

    assert response.status_code == (200 if zone else 422), response.text


class _Forged:
    def __init__(self, value: object, id_: object) -> None:
        self.created_at = self.name_folded = self.size = value
        self.id = id_


async def pages(client: Client, limit: int, **query: Any) -> AsyncIterator[list[str]]:
    """Ids, page after page, by their links."""
    response = await client.get("/v1/files", params={**query, "limit": limit})
    while True:
        yield [item["id"] for item in response.json()["items"]]
        if (link := response.headers.get("Link")) is None:
            assert response.json()["next_cursor"] is None
            return
        assert link.endswith('; rel="next"')
        response = await client.get(link.partition(">")[0].removeprefix("<"))


SORTS = ("created_at", "-created_at", "name", "-name", "size", "-size", "relevance")


@pytest.mark.usefixtures("way")
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), limit=st.integers(1, 5), window=st.integers(1, 6), sort=st.sampled_from(SORTS))
async def test_no_file_comes_twice_and_none_is_missed_while_others_come_and_go(
    client: Client, database: Database, monkeypatch: pytest.MonkeyPatch, seed: int, limit: int, window: int, sort: str
) -> None:
    monkeypatch.setattr(relevance, "WINDOW", window)
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    moments = [now() - timedelta(seconds=seconds) for seconds in range(3)]

    async def one_more() -> str:
        file = an_available_file(
            owner_id=client.account.id,
            name=chance.choice(["report", "Report", "a report", "report report", "b"]),
            tags=["report"],
            size=chance.randrange(3),
        )
        file.created_at = chance.choice(moments)
        file.index()
        return str((await database.save(file)).id)

    await database.execute("DELETE FROM files")
    staying = {await one_more() for _ in range(12)}
    leaving = [await one_more() for _ in range(4)]
    seen: list[str] = []
    async for page in pages(client, limit, sort=sort, q="report"):
        assert len(page) <= limit
        seen += page
        change = asyncio.create_task(one_more())
        if leaving:
            await client.delete(f"/v1/files/{leaving.pop()}")
        await change

    assert len(seen) == len(set(seen))
    assert staying <= set(seen)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("sort", SORTS)
async def test_pages_of_any_size_make_up_the_whole(client: Client, database: Database, sort: str) -> None:
    for number in range(7):
        await stored(database, client, name=f"report{number % 2}", size=number % 3)

    whole = [page async for page in pages(client, 200, sort=sort, q="report")]
    for limit in (1, 3, 7):
        assert [id_ async for page in pages(client, limit, sort=sort, q="report") for id_ in page] == whole[0]
