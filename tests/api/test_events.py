"""The past over HTTP: own events alone, page by page, and never a gap that nobody is told of."""

import json
from typing import Any
from uuid import UUID

import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from redis.asyncio import Redis

from domain.accounts.events import AccountVerified
from domain.actor import Scope
from domain.aggregate import now
from domain.schedule.events import ExpiryDue
from outbox import feed
from tests.api.conftest import Client, service_of
from tests.api.matrix import assert_problem
from tests.factories import a_file_available, a_file_uploaded
from tests.outbox.conftest import History, history

__all__ = ["history"]

FILE = UUID("01a2050d-3da6-70a6-ae26-7605e1b03fad")
NOBODY = UUID(int=0)


@pytest.fixture(autouse=True)
async def past(history: History, client: Client, stranger: Client) -> None:
    mine = {"owner_id": client.account.id}
    await history.publish(
        a_file_uploaded(**mine, file_id=FILE),
        a_file_uploaded(owner_id=stranger.account.id),
        AccountVerified(account_id=client.account.id),
        ExpiryDue(due_at=now()),
        a_file_available(**mine, file_id=FILE),
        a_file_uploaded(**mine),
    )


async def positions(client: Client, query: str = "") -> list[int]:
    answer = await client.get(f"/v1/events?{query}")
    assert answer.status_code == 200, answer.text
    return [int(event["sequence"]) for event in answer.json()["items"]]


async def test_everybody_sees_their_own_events_alone(client: Client, stranger: Client) -> None:
    assert await positions(client) == [1, 3, 5, 6]
    assert await positions(stranger) == [2]


async def test_a_service_that_may_read_events_sees_all(stranger: Client) -> None:
    assert await positions(await service_of(stranger, Scope.EVENTS_READ)) == [1, 2, 3, 4, 5, 6]


async def test_a_service_that_may_not_sees_none(client: Client) -> None:
    service = await service_of(client, Scope.FILES_READ, Scope.FILES_WRITE)

    assert_problem(await service.get("/v1/events"), 403, "scope-missing")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("type=file.*", [1, 5, 6]),
        ("type=file.uploaded", [1, 6]),
        ("type=*.verified", [3]),
        ("type=file", []),
        (f"subject={FILE}", [1, 5]),
        (f"subject={NOBODY}", []),
        ("after=3", [5, 6]),
        ("after=6", []),
        ("after=9223372036854775807", []),
        (f"type=file.u*&subject={FILE}&after=0&limit=1", [1]),
    ],
)
async def test_events_are_chosen_by_what_is_asked(query: str, expected: list[int], client: Client) -> None:
    assert await positions(client, query) == expected


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=9223372036854775808", "subject=x", "type=%00", "limit=0"]
)
async def test_what_is_no_position_or_id_is_invalid(query: str, client: Client) -> None:
    assert_problem(await client.get(f"/v1/events?{query}"), 422, "invalid")


async def test_an_event_is_the_cloud_event_of_its_stream(client: Client) -> None:
    event: Any = (await client.get("/v1/events?limit=1")).json()["items"][0]

    assert event.pop("data")["file_id"] == event["subject"] == event["partitionkey"] == str(FILE)
    assert {name: event[name] for name in ("specversion", "source", "type", "sequence", "datacontenttype")} == {
        "specversion": "1.0",
        "source": "/waybill",
        "type": "file.uploaded",
        "sequence": "1",
        "datacontenttype": "application/json",
    }


async def test_pages_follow_each_other_by_link_or_by_cursor(client: Client) -> None:
    first = await client.get("/v1/events?limit=2&after=1")
    by_link = await client.get(first.links["next"]["url"])
    by_cursor = await client.get("/v1/events", params={"limit": 2, "cursor": first.json()["next_cursor"]})

    assert [event["sequence"] for event in first.json()["items"]] == ["3", "5"]
    assert [event["sequence"] for event in by_link.json()["items"]] == ["6"]
    assert by_link.json() == by_cursor.json()
    assert by_link.json()["next_cursor"] is None
    assert "Link" not in by_link.headers


async def test_a_rare_type_is_looked_for_window_by_window(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "WINDOW", 2)
    service = await service_of(client, Scope.EVENTS_READ)
    found, url = [], "/v1/events?type=file.available"
    while url:
        page = await service.get(url)
        found += page.json()["items"]
        url = page.links.get("next", {}).get("url", "")

    assert [event["sequence"] for event in found] == ["5"]


async def test_a_page_says_how_far_was_looked(client: Client) -> None:
    page = (await client.get("/v1/events?type=account.*")).json()

    assert page["position"] == "6"


async def test_a_position_older_than_retention_is_expired(client: Client, history: History) -> None:
    await history.database.execute("DELETE FROM outbox WHERE position <= 3")

    assert_problem(await client.get("/v1/events?after=2"), 410, "position-expired")
    assert await positions(client, "after=3") == [5, 6]
    assert await positions(client) == [5, 6]


async def test_what_is_kept_though_it_is_old_hides_no_gap(client: Client, history: History) -> None:
    """An event that somebody has not finished stays, whatever became of those behind it."""
    await history.database.execute("UPDATE outbox SET recorded_at = now() - interval '31 days' WHERE position <= 3")
    await history.database.execute("DELETE FROM outbox WHERE position = 2")

    for after in (0, 1, 2):
        assert_problem(await client.get(f"/v1/events?after={after}"), 410, "position-expired")
    assert await positions(client) == [1, 3, 5, 6]


async def test_whoever_has_seen_everything_has_missed_nothing(client: Client, history: History) -> None:
    await history.database.execute("UPDATE outbox SET recorded_at = now() - interval '31 days'")
    await history.database.execute("DELETE FROM outbox WHERE position < 6")

    assert await positions(client, "after=6") == []


async def test_the_official_sdk_reads_what_we_tell_and_what_we_append(client: Client, redis: Redis) -> None:
    """One JSON object over HTTP; in a stream, where attributes stand beside the data, what HTTP calls headers."""
    events = (await client.get("/v1/events?type=file.*")).json()["items"]
    told = [JSONFormat().read(None, json.dumps(event)) for event in events]
    entries: Any = await redis.xrange("waybill:files")
    read = [_as_http(fields) for _, fields in entries if fields[b"sequence"] != b"2"]

    assert [event.get_id() for event in told] == [event.get_id() for event in read] != []
    for one, other in zip(told, read, strict=True):
        assert one.get_attributes() == other.get_attributes()
        assert one.get_data() == other.get_data()


def _as_http(fields: dict[bytes, bytes]) -> BaseCloudEvent:
    attributes = {name.decode(): value.decode() for name, value in fields.items()}
    data, content_type = attributes.pop("data").encode(), attributes.pop("datacontenttype")
    headers = {f"ce-{name}": value for name, value in attributes.items()} | {"content-type": content_type}
    return from_binary(HTTPMessage(headers, data), JSONFormat())
