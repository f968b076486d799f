"""GET /metrics: what Prometheus is told of this process and of the whole."""

import httpx
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from tests.api.conftest import Client
from tests.database import Database
from tests.factories import an_available_file

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scraped(http: httpx.AsyncClient) -> Samples:
    answer = await http.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in found}


def figure(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, frozenset(labels.items())), 0.0)


async def test_requests_are_counted_by_route_and_status(client: Client, anonymous: httpx.AsyncClient) -> None:
    labels = {"method": "GET", "route": "/v1/files/{file_id}", "status": "404"}
    before = await scraped(anonymous)
    for _ in range(3):
        await client.get("/v1/files/01890000-0000-7000-8000-000000000000")
    after = await scraped(anonymous)

    grown = [figure(each, "waybill_http_requests_total", **labels) for each in (before, after)]
    assert grown[1] - grown[0] == 3
    assert figure(after, "waybill_http_in_flight") == 1
    assert figure(after, "waybill_postgres_pool_size", pool="api") > 0
    timed = figure(after, "waybill_http_request_seconds_count", method="GET", route="/v1/files/{file_id}")
    assert timed >= 3


async def test_nothing_that_clients_invent_is_a_label(client: Client, anonymous: httpx.AsyncClient) -> None:
    await anonymous.get("/s/some-secret-token")
    await anonymous.request("BREW", "/v1/files")
    await client.get("/v1/an-invented-path")
    text = (await anonymous.get("/metrics")).text

    assert 'method="other"' in text
    for invented in ("some-secret-token", "BREW", "an-invented-path", str(client.account.id)):
        assert invented not in text


async def test_it_tells_how_far_everything_is(
    client: Client, anonymous: httpx.AsyncClient, database: Database, redis: Redis
) -> None:
    await database.save(an_available_file(owner_id=client.account.id))
    await database.execute(
        "INSERT INTO deliveries (consumer, position, event_id, subject, type, state, attempts, due_at, updated_at) "
        "SELECT 'send_mail', id, event_id, subject, type, 'dead', 1, NULL, now() FROM outbox"
    )
    ((events,),) = await database.rows("SELECT count(*) FROM outbox")

    found = await scraped(anonymous)

    assert figure(found, "waybill_standing_known") == 1
    assert figure(found, "waybill_outbox_unsequenced") == events > 0
    assert figure(found, "waybill_deliveries", consumer="send_mail", state="dead") == events


async def test_what_costs_a_query_is_asked_now_and_then(
    client: Client, anonymous: httpx.AsyncClient, database: Database
) -> None:
    before = figure(await scraped(anonymous), "waybill_outbox_unsequenced")

    await database.save(an_available_file(owner_id=client.account.id))

    assert figure(await scraped(anonymous), "waybill_outbox_unsequenced") == before
