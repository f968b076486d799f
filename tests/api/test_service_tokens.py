"""A person makes tokens for services: they do what they say until they are over, and anybody can verify them."""

import itertools
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
import time_machine
from cryptography.exceptions import InvalidSignature
from litestar import Litestar
from pyseto import Key

from domain.actor import Scope
from domain.aggregate import new_id, now
from infra import paserk
from infra.paserk import public_half
from infra.settings import Settings
from infra.storage import Storage
from tests.api import raw
from tests.api.conftest import Client, service_of
from tests.api.leftovers import Leftovers
from tests.api.matrix import assert_problem
from tests.api.paseto import unverified_footer, verified
from tests.api.test_tokens import MINUTE, Forger, ask, flipped, times
from tests.database import Database

DAY = timedelta(days=1)
READER = {"name": "reader", "scopes": ["files:read"]}


async def make(client: Client, **fields: Any) -> dict[str, Any]:
    response = await client.post("/v1/service-tokens", json=READER | fields)
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


def until(days: float) -> str:
    return (now() + timedelta(days=days)).isoformat()


async def test_a_token_is_shown_once_and_then_listed_without_itself(client: Client, database: Database) -> None:
    made = await make(client)

    one = await client.get(f"/v1/service-tokens/{made['id']}")
    listed = await client.get("/v1/service-tokens")

    token = made.pop("token")
    assert listed.json() == {"items": [made], "next_cursor": None}
    assert one.json() == made
    assert (made["name"], made["scopes"], made["revoked_at"]) == ("reader", ["files:read"], None)
    rows = await database.rows("SELECT service_tokens::text, commands::text FROM service_tokens, commands")
    assert token.split(".")[2][:40] not in str(rows)


async def test_it_lives_for_90_days_unless_told_otherwise(client: Client) -> None:
    usual, longest = await make(client), await make(client, expires_at=until(365.9))

    lifetimes = [
        datetime.fromisoformat(each["expires_at"]) - datetime.fromisoformat(each["created_at"])
        for each in (usual, longest)
    ]
    assert [each.total_seconds() for each in lifetimes] == [
        pytest.approx(90 * 86_400, abs=2),
        pytest.approx(365.9 * 86_400, abs=2),
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("expires_at", until(-1)),
        ("expires_at", until(367)),
        ("expires_at", "9999-12-31T23:59:59-12:00"),
        ("expires_at", "2030-01-01T00:00:00"),
        ("scopes", []),
        ("scopes", ["files:delete"]),
        ("scopes", ["files:read"] * 4),
        ("name", ""),
        ("name", "x" * 101),
        ("name", "a\n"),
    ],
    ids=itertools.count(),
)
async def test_a_token_that_makes_no_sense_is_refused(client: Client, field: str, value: Any) -> None:
    response = await client.post("/v1/service-tokens", json=READER | {field: value})

    assert assert_problem(response, 422, "invalid")["errors"][0]["field"].startswith(field)


async def test_a_list_has_pages_and_only_ones_own(client: Client, stranger: Client) -> None:
    await make(stranger)
    ids = [(await make(client))["id"] for _ in range(5)]

    found, path = list[str](), "/v1/service-tokens?limit=2"
    while path:
        page = await client.get(path)
        found += [each["id"] for each in page.json()["items"]]
        path = page.links.get("next", {}).get("url", "")

    assert found == ids[::-1]


async def test_a_revoked_token_opens_nothing_and_is_still_listed(client: Client, anonymous: httpx.AsyncClient) -> None:
    made = await make(client)
    authorization = f"Bearer {made['token']}"
    assert (await ask(anonymous, authorization)).status_code == 200

    revoked = [await client.delete(f"/v1/service-tokens/{made['id']}") for _ in range(2)]

    assert [each.status_code for each in revoked] == [204, 204]
    assert_problem(await ask(anonymous, authorization), 401, "bad-token")
    (listed,) = (await client.get("/v1/service-tokens")).json()["items"]
    assert listed["revoked_at"]


async def test_a_token_ends_with_its_time_and_with_its_account(
    client: Client, anonymous: httpx.AsyncClient, database: Database
) -> None:
    short, long = await make(client, expires_at=until(1)), await make(client)
    with time_machine.travel(now() + 2 * DAY, tick=True):
        assert_problem(await ask(anonymous, f"Bearer {short['token']}"), 401, "bad-token")
        assert (await ask(anonymous, f"Bearer {long['token']}")).status_code == 200

    await database.execute("UPDATE accounts SET deleted_at = now() WHERE id = :id", id=client.account.id)

    assert_problem(await ask(anonymous, f"Bearer {long['token']}"), 401, "bad-token")


async def test_an_account_has_a_hundred_living_tokens_at_most(client: Client, database: Database) -> None:
    first = await make(client)
    await database.execute(
        "INSERT INTO service_tokens SELECT gen_random_uuid(), account_id, name, scopes, kid, created_at, expires_at "
        "FROM service_tokens, generate_series(2, 100)"
    )

    assert_problem(await client.post("/v1/service-tokens", json=READER), 409, "too-many-service-tokens")
    await client.delete(f"/v1/service-tokens/{first['id']}")
    await make(client)


async def test_another_implementation_verifies_it_with_a_published_key(
    client: Client, anonymous: httpx.AsyncClient, settings: Settings
) -> None:
    made = await make(client, scopes=["files:read", "events:read"])
    published = await anonymous.get("/v1/keys")

    keys = {each["kid"]: each["paserk"] for each in published.json()["keys"]}
    key = keys[unverified_footer(made["token"])["kid"]]
    claims = verified(made["token"], key, f"waybill:service:{settings.public_url}")

    assert published.headers["Cache-Control"] == "public, max-age=300"
    assert claims["sub"] == str(client.account.id)
    assert claims["jti"] == made["id"]
    assert claims["scopes"] == ["events:read", "files:read"]
    assert (claims["iss"], claims["aud"], claims["typ"]) == (settings.public_url, settings.public_url, "service")
    assert claims["exp"] == made["expires_at"]
    assert claims["iat"] == claims["nbf"]
    with pytest.raises(InvalidSignature):
        verified(made["token"], key, "waybill:service:https://other.example")


async def test_keys_are_published_while_they_sign_or_are_needed(
    client: Client, anonymous: httpx.AsyncClient, database: Database
) -> None:
    (current,) = (await anonymous.get("/v1/keys")).json()["keys"]
    made = await make(client)
    other = public_half(paserk.secret_key(paserk.new_secret()))
    kid = other.to_paserk_id()
    await database.execute("INSERT INTO signing_keys VALUES (:k, :p, now())", k=kid, p=other.to_paserk())

    async def published() -> list[str]:
        return [each["kid"] for each in (await anonymous.get("/v1/keys")).json()["keys"]]

    assert await published() == [current["kid"]]
    await database.execute("UPDATE service_tokens SET kid = :k", k=kid)
    assert await published() == [kid, current["kid"]]
    await client.delete(f"/v1/service-tokens/{made['id']}")
    assert await published() == [current["kid"]]


async def test_without_the_scope_not_one_byte_is_stored(
    app: Litestar, client: Client, database: Database, storage: Storage
) -> None:
    service = await service_of(client, Scope.FILES_READ)
    form = {"Content-Type": "multipart/form-data; boundary=b"}

    nothing_to_read: list[Any] = []

    answer = await raw.send(app, raw.scope("POST", "/v1/files", service.headers | form), nothing_to_read)
    promised = await service.post("/v1/uploads", json={"name": "a", "size": 50 * 1024**2})

    assert answer[0]["status"] == 403
    assert_problem(promised, 403, "scope-missing")
    assert not await Leftovers(database, storage).objects()


async def test_a_service_that_may_only_write_can_finish_what_it_began(client: Client) -> None:
    service = await service_of(client, Scope.FILES_WRITE)
    started = (await service.post("/v1/uploads", json={"name": "a", "size": 3})).json()
    async with httpx.AsyncClient() as s3:
        await s3.put(started["upload"]["parts"][0]["url"], content=b"abc")

    finished = await service.post(f"/v1/uploads/{started['upload']['id']}/complete")

    assert finished.status_code == 202
    assert_problem(await service.get(f"/v1/files/{started['upload']['id']}"), 403, "scope-missing")


async def test_a_service_is_not_given_again_what_its_person_was_answered(client: Client) -> None:
    """Else an Idempotency-Key that it has seen would be as good as a scope."""
    key, body = {"Idempotency-Key": "k"}, {"name": "a", "size": 1}
    first = await client.post("/v1/uploads", json=body, headers=key)
    reader, writer = await service_of(client, Scope.FILES_READ), await service_of(client, Scope.FILES_WRITE)

    answers = [await service.post("/v1/uploads", json=body, headers=key) for service in (reader, writer, writer)]

    assert_problem(answers[0], 403, "scope-missing")
    assert answers[1].json()["file"]["id"] != first.json()["file"]["id"]
    assert answers[2].headers["Idempotent-Replayed"] == "true"


def wrong_claims(forger: Forger, jti: str) -> Iterator[tuple[str, str]]:
    def token(**changes: Any) -> str:
        return forger.service_token(**{"jti": jti} | changes)

    moment = now().replace(microsecond=0)
    for name in ("iss", "aud", "sub", "jti", "typ", "iat", "nbf", "exp", "scopes"):
        yield f"without {name}", token(without=name)
        yield f"odd {name}", token(**{name: 5})
    yield "one more", token(admin=True)
    yield "a session", token(sid=str(new_id()))
    yield "expired", token(**times(moment - 20 * MINUTE, moment - 20 * MINUTE, moment - MINUTE))
    yield "not yet", token(**times(moment, moment + 5 * MINUTE, moment + 15 * MINUTE))
    yield "from the future", token(**times(moment + 5 * MINUTE, moment, moment + 15 * MINUTE))
    yield "for ever", token(**times(moment, moment, moment + 367 * DAY))
    yield "no time zone", token(exp=(moment + DAY).replace(tzinfo=None).isoformat())
    yield "for others", token(aud="https://other.example")
    yield "of others", token(iss="https://other.example")
    yield "another kind", token(typ="access")
    yield "another's", token(sub=str(new_id()))
    yield "never made", token(jti=str(new_id()))
    yield "more scopes", token(scopes=["files:read", "files:write"])
    yield "other scopes", token(scopes=["files:write"])
    yield "no scopes", token(scopes=[])
    yield "unknown scopes", token(scopes=["admin"])


def wrong_tokens(forger: Forger, jti: str) -> Iterator[tuple[str, str]]:
    good = forger.service_token(jti=jti)
    claims = json.dumps({k: v for k, v in forger.claims.items() if k != "sid"} | {"jti": jti, "typ": "service"})
    claims = claims[:-1] + ', "scopes": ["files:read"]}'
    kid = unverified_footer(good)["kid"]
    stranger = paserk.secret_key(paserk.new_secret())
    sid = forger.signing_key.to_paserk_id()
    yield "another key", forger.signed(claims, key=stranger)
    yield "another key, named", forger.signed(claims, key=stranger, footer=footer(public_half(stranger).to_paserk_id()))
    for label, odd in {
        "no": "",
        "spaced": json.dumps({"kid": kid}),
        "longer": f'{{"kid":"{kid}","x":1}}',
        "another": f'["{kid}"]',
        "secret": footer(sid),
        "short": footer(kid[:-1]),
        "unknown": footer("k4.pid." + "A" * 44),
    }.items():
        yield f"{label} footer", forger.signed(claims, footer=odd)
    yield "its footer gone", good.rpartition(".")[0]
    yield "its footer empty", good.rpartition(".")[0] + "."
    yield "two footers", good + "." + good.rpartition(".")[2]
    yield "for another use", forger.signed(claims, assertion="access")
    yield "v4.local with its claims", forger.sealed(claims, assertion="service")
    yield "v4.local, said to be v4.public", forger.sealed(claims).replace("v4.local.", "v4.public.")
    yield "an access token, signed", forger.signed(json.dumps(forger.claims), assertion="access")
    yield "v4.public, said to be v4.local", good.replace("v4.public.", "v4.local.")
    yield "v3.public", good.replace("v4.", "v3.")
    yield "a local key", forger.signed(claims, key=Key.new(4, "local", bytes(32)))
    yield "truncated", good[:-4]
    yield "padded", good + "="
    yield "another spelling", flipped(good)
    yield "tampered", good[:60] + ("A" if good[60] != "A" else "B") + good[61:]
    yield "too long", forger.signed(claims[:-1] + " " * 2048 + "}")
    yield "header alone", "v4.public."


def footer(kid: str) -> str:
    return json.dumps({"kid": kid}, separators=(",", ":"))


async def test_every_bad_service_token_gets_the_same_answer(
    app: Litestar, client: Client, anonymous: httpx.AsyncClient
) -> None:
    forger, jti = Forger(app, client.account.id), (await make(client))["id"]
    expected = (await anonymous.get("/v1/files", headers={"X-Request-Id": "r"})).content
    assert (await ask(anonymous, f"Bearer {forger.service_token(jti=jti)}")).status_code == 200, "a bad forger"

    for label, token in [*wrong_tokens(forger, jti), *wrong_claims(forger, jti)]:
        response = await ask(anonymous, f"Bearer {token}")
        assert response.status_code == 401, label
        assert_problem(response, 401, "bad-token")
        assert response.content == expected, label


async def test_invented_keys_cost_one_query_in_a_second(
    app: Litestar, client: Client, anonymous: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    forger, asked = Forger(app, client.account.id), list[int]()

    async def counted(*_: object) -> list[Any]:
        asked.append(1)
        return []

    monkeypatch.setattr("api.signing_keys.all_keys", counted)
    monkeypatch.setattr("api.signing_keys.LOOK_EVERY", 1000.0)
    for number in range(20):
        token = forger.signed("{}", footer=footer(f"k4.pid.{number:044}"))
        assert_problem(await ask(anonymous, f"Bearer {token}"), 401, "bad-token")

    assert len(asked) == 1


async def test_everybodys_events_are_for_those_whom_the_operator_names(
    client: Client, stranger: Client, app: Litestar, database: Database
) -> None:
    app.state.settings = msgspec.structs.replace(
        app.state.settings, event_readers=(str(client.account.email).upper(), str(stranger.account.email))
    )
    await database.execute("UPDATE accounts SET verified_at = now() WHERE id = :id", id=client.account.id)
    reader = READER | {"scopes": ["events:read"]}

    assert (await client.post("/v1/service-tokens", json=reader)).status_code == 201
    assert_problem(await stranger.post("/v1/service-tokens", json=reader), 403, "no-event-reader")
    assert (await stranger.post("/v1/service-tokens", json=READER)).status_code == 201
    app.state.settings = msgspec.structs.replace(app.state.settings, event_readers=("somebody@else.example",))
    assert_problem(await client.post("/v1/service-tokens", json=reader), 403, "no-event-reader")
