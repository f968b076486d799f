"""A page's own EventSource listens, in a real browser; and what lets it do so is good for nothing else."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar
from playwright.async_api import Page, Route

from domain.actor import Scope
from infra.settings import Settings
from tests.api.conftest import Client, client_of, running, service_of
from tests.api.listening import STREAM, serving
from tests.api.matrix import assert_problem
from tests.api.test_real_clients import blank
from tests.database import Database
from tests.factories import a_file_uploaded
from tests.outbox.conftest import History, history
from tests.serving import served

__all__ = ["history"]

COOKIE = "/v1/events/cookie"
LISTEN = """
async ([token, cookie, stream]) => {
  const answer = await fetch(cookie, {method: "POST", headers: {Authorization: `Bearer ${token}`}});
  window.heard = [], window.opened = 0;
  const source = new EventSource(stream);
  source.onopen = () => window.opened++;
  source.addEventListener("file.uploaded", event => {
    window.heard.push([event.lastEventId, JSON.parse(event.data).sequence]);
  });
  return answer.status;
}
"""


@pytest.fixture
async def base_url(app: Litestar) -> AsyncIterator[str]:
    async with serving(app) as url:
        yield url


async def a_page(route: Route) -> None:
    await route.fulfill(body="<!doctype html>", content_type="text/html")


async def test_an_event_source_hears_each_event_once_also_when_it_has_to_come_again(
    page: Page, base_url: str, app: Litestar, client: Client, history: History
) -> None:
    async def happen(count: int) -> None:
        await history.publish(*(a_file_uploaded(owner_id=client.account.id) for _ in range(count)))

    await page.route("**/a-page", a_page)
    await page.goto(f"{base_url}/a-page")
    token = client.headers["Authorization"].removeprefix("Bearer ")
    assert await page.evaluate(LISTEN, [token, COOKIE, STREAM]) == 204
    await page.wait_for_function("window.opened === 1")

    await happen(3)
    await page.wait_for_function("window.heard.length >= 3")
    app.state.streams.end_all("come again")
    await happen(2)
    await page.wait_for_function("window.heard.length >= 5 && window.opened === 2")

    assert await page.evaluate("window.heard") == [[str(each)] * 2 for each in range(1, 6)]


def cookie_of(answer: httpx.Response) -> dict[str, str]:
    parts: list[Any] = [part.strip().partition("=") for part in answer.headers["Set-Cookie"].split(";")]
    return {name: value for name, _, value in parts}


FETCH = """
async ([stream, token]) => {
  const headers = {Authorization: token, "Last-Event-ID": "1"};
  try {
    const reader = (await fetch(stream, {headers})).body.pipeThrough(new TextDecoderStream()).getReader();
    let heard = "";
    while (!heard.includes("data: ")) heard += (await reader.read()).value;
    return heard.match(/^id: .*$/m)[0];
  } catch (error) {
    return error.name;
  }
}
"""
REFUSED = """
stream => new Promise(resolve => {
  const source = new EventSource(stream, {withCredentials: true});
  source.onopen = () => resolve("opened");
  source.onerror = () => resolve(source.readyState === EventSource.CLOSED ? "refused" : "tries again");
})
"""


@pytest.mark.parametrize("welcome", [True, False])
async def test_a_page_of_another_origin_reads_it_by_fetch_if_it_may(
    welcome: bool, page: Page, settings: Settings, history: History, database: Database, client: Client
) -> None:
    async with (
        served(blank) as origin,
        running(msgspec.structs.replace(settings, cors_origins=(origin,) if welcome else ())) as app,
        serving(app) as api,
    ):
        person = await client_of(client.account, app, client.http, database)
        await history.publish(*(a_file_uploaded(owner_id=client.account.id) for _ in range(2)))
        await page.goto(origin)
        heard = await page.evaluate(FETCH, [api + STREAM, person.headers["Authorization"]])
        cookie = cookie_of(await person.post(COOKIE))["waybill_stream"]
        await page.context.add_cookies([{"name": "waybill_stream", "value": cookie, "url": api + STREAM}])

        assert heard == ("id: 2" if welcome else "TypeError")
        assert await page.evaluate(REFUSED, api + STREAM) == "refused"


async def test_the_cookie_is_for_the_stream_alone_and_out_of_a_pages_reach(client: Client) -> None:
    answer = await client.post(COOKIE, headers={"Idempotency-Key": "a"})
    again = await client.post(COOKIE, headers={"Idempotency-Key": "a"})
    cookie = cookie_of(answer)
    client.http.cookies.clear()

    assert (cookie["Path"], cookie["SameSite"].lower()) == (STREAM, "strict")
    assert {"HttpOnly"} <= set(cookie)
    assert 0 < int(cookie["Max-Age"]) <= 15 * 60
    assert cookie_of(again)["waybill_stream"] == cookie["waybill_stream"]
    for headers in ({"Cookie": f"waybill_stream={cookie['waybill_stream']}"}, _bearer(cookie["waybill_stream"])):
        for path in ("/v1/events", "/v1/me"):
            assert_problem(await client.http.get(path, headers=headers), 401, "bad-token")
    assert_problem(await client.http.get(STREAM, headers=_bearer(cookie["waybill_stream"])), 401, "bad-token")


async def test_an_access_token_is_no_cookie(client: Client) -> None:
    token = client.headers["Authorization"].removeprefix("Bearer ")

    answer = await client.http.get(STREAM, headers={"Cookie": f"waybill_stream={token}"})

    assert_problem(answer, 401, "bad-token")


async def test_the_cookie_ends_with_its_session(client: Client) -> None:
    cookie = cookie_of(await client.post(COOKIE))["waybill_stream"]
    client.http.cookies.clear()
    await client.delete("/v1/sessions/current")

    answer = await client.http.get(STREAM, headers={"Cookie": f"waybill_stream={cookie}"})

    assert_problem(answer, 401, "bad-token")


async def test_a_service_gets_no_cookie(client: Client) -> None:
    service = await service_of(client, Scope.EVENTS_READ)

    assert_problem(await service.post(COOKIE), 403, "person-only")


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
