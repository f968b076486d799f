"""Who has no token of ours learns nothing, not even what is wrong with theirs."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pyseto
import pytest
from litestar import Litestar
from pyseto import Key

from domain.aggregate import new_id, now
from infra.keyring import secret_keys
from infra.paserk import public_half
from tests.api.conftest import Client
from tests.api.matrix import PRIVATE_ROUTES, assert_problem, place

MINUTE = timedelta(minutes=1)


class Forger:
    """Makes tokens like ours, with our very keys, but for what is asked otherwise."""

    def __init__(self, app: Litestar, account_id: object, session_id: object = None) -> None:
        self.key, self.issuer = app.state.local_keys.current, app.state.settings.public_url
        self.signing_key = secret_keys(app.state.settings).current
        moment = now().replace(microsecond=0)
        ids = {"sub": str(account_id), "sid": str(session_id or new_id()), "jti": str(new_id())}
        ours = {"iss": self.issuer, "aud": self.issuer, "typ": "access"}
        self.claims: dict[str, Any] = ours | ids | times(moment, moment, moment + 15 * MINUTE)

    def token(self, *, key: Any = None, without: str = "", assertion: str = "access", **claims: Any) -> str:
        payload = {name: value for name, value in (self.claims | claims).items() if name != without}
        return self.sealed(json.dumps(payload), key=key, assertion=assertion)

    def service_token(self, *, without: str = "", scopes: Any = ("files:read",), **claims: Any) -> str:
        mine = {name: value for name, value in self.claims.items() if name != "sid"} | {"typ": "service"}
        payload = {name: value for name, value in (mine | {"scopes": scopes} | claims).items() if name != without}
        return self.signed(json.dumps(payload))

    def signed(self, payload: str, *, key: Any = None, assertion: str = "service", footer: str | None = None) -> str:
        ours = json.dumps({"kid": public_half(self.signing_key).to_paserk_id()}, separators=(",", ":"))
        return self.sealed(
            payload, key=key or self.signing_key, assertion=assertion, footer=ours if footer is None else footer
        )

    def sealed(self, payload: str, *, key: Any = None, assertion: str = "access", footer: str = "") -> str:
        implicit = f"waybill:{assertion}:{self.issuer}".encode()
        return pyseto.encode(key or self.key, payload.encode(), footer=footer, implicit_assertion=implicit).decode()


def times(iat: datetime, nbf: datetime, exp: datetime) -> dict[str, str]:
    return {"iat": iat.isoformat(), "nbf": nbf.isoformat(), "exp": exp.isoformat()}


def flipped(token: str) -> str:
    """The same bytes in another spelling: an unused low bit of the last character."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


def wrong_claims(forger: Forger) -> Iterator[tuple[str, str]]:
    moment = now().replace(microsecond=0)
    for name in forger.claims:
        yield f"without {name}", forger.token(without=name)
        odd: Any = {name: 5}
        yield f"odd {name}", forger.token(**odd)
    yield "one more", forger.token(admin=True)
    yield "expired", forger.token(**times(moment - 20 * MINUTE, moment - 20 * MINUTE, moment - 5 * MINUTE))
    yield "just expired", forger.token(**times(moment - 15 * MINUTE, moment - 15 * MINUTE, moment))
    yield "not yet", forger.token(**times(moment, moment + 5 * MINUTE, moment + 15 * MINUTE))
    yield "from the future", forger.token(**times(moment + 5 * MINUTE, moment, moment + 15 * MINUTE))
    yield "for ever", forger.token(**times(moment, moment, moment + 60 * MINUTE))
    yield "no time zone", forger.token(exp=(moment + 15 * MINUTE).replace(tzinfo=None).isoformat())
    yield "for others", forger.token(aud="https://other.example")
    yield "of others", forger.token(iss="https://other.example")
    yield "another kind", forger.token(typ="refresh")
    yield "a list", forger.sealed(json.dumps([forger.claims]))
    yield "no JSON", forger.sealed("x")
    yield "deep", forger.sealed("[" * 1000)


def wrong_tokens(forger: Forger) -> Iterator[tuple[str, str]]:
    good = forger.token()
    public = Key.new(4, "public", signing_key())
    yield "nothing", ""
    yield "a word", "x"
    yield "header alone", "v4.local."
    yield "another key", forger.token(key=Key.new(4, "local", bytes(32)))
    yield "v4.public", forger.token(key=public)
    yield "v3.local", forger.token(key=Key.new(3, "local", bytes(32)))
    yield "for another use", forger.token(assertion="refresh")
    yield "a footer", forger.sealed(json.dumps(forger.claims), footer="x")
    yield "truncated", good[:-4]
    yield "longer", good + "A"
    yield "padded", good + "="
    yield "tampered", good[:40] + ("A" if good[40] != "A" else "B") + good[41:]
    yield "upper case", good.replace("v4.local.", "V4.LOCAL.")
    yield "not base64", good[:-1] + "!"
    yield "two words", good + " x"
    yield "too long", "v4.local." + "A" * 2048
    yield "not ASCII", good[:-1] + "é"


def signing_key() -> bytes:
    from cryptography.hazmat.primitives import serialization as forms  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    key = Ed25519PrivateKey.generate()
    return key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())


@pytest.fixture
def forger(app: Litestar, client: Client) -> Forger:
    return Forger(app, client.account.id, client.session_id)


async def ask(http: httpx.AsyncClient, authorization: str) -> httpx.Response:
    headers = [(b"Authorization", authorization.encode("latin-1")), (b"X-Request-Id", b"r")]
    return await http.get("/v1/files", headers=headers)


async def test_the_forger_is_good_at_it(forger: Forger, anonymous: httpx.AsyncClient) -> None:
    """Else the tests below would pass for the wrong reason."""
    assert (await ask(anonymous, f"Bearer {forger.token()}")).status_code == 200


async def test_every_bad_token_gets_the_same_answer(forger: Forger, anonymous: httpx.AsyncClient) -> None:
    expected = (await anonymous.get("/v1/files", headers={"X-Request-Id": "r"})).content
    for label, token in [*wrong_tokens(forger), *wrong_claims(forger)]:
        response = await ask(anonymous, f"Bearer {token}")
        assert response.status_code == 401, label
        assert_problem(response, 401, "bad-token")
        assert response.content == expected, label


async def test_another_spelling_of_a_token_is_no_token(forger: Forger, anonymous: httpx.AsyncClient) -> None:
    """Base64 leaves bits unused where the length allows it; there they must be 0."""
    tokens = [forger.sealed(json.dumps(forger.claims) + " " * spaces) for spaces in range(3)]
    spelled = [token for token in tokens if len(token.removeprefix("v4.local.")) % 4]
    assert len(spelled) == 2
    for token in spelled:
        assert (await ask(anonymous, f"Bearer {token}")).status_code == 200
        assert_problem(await ask(anonymous, f"Bearer {flipped(token)}"), 401, "bad-token")


async def test_another_scheme_is_no_token(forger: Forger, anonymous: httpx.AsyncClient) -> None:
    token = forger.token()
    for authorization in (
        "",
        token,
        f"Basic {token}",
        f"Token {token}",
        f"Bearer{token}",
        "Bearer",
        f"x Bearer {token}",
    ):
        assert_problem(await ask(anonymous, authorization), 401, "bad-token")


async def test_without_a_token_every_private_route_is_closed(anonymous: httpx.AsyncClient) -> None:
    for name in PRIVATE_ROUTES:
        response = await anonymous.request(*place(name), headers={"Idempotency-Key": "k"})
        assert response.status_code == 401, name
        if not name.startswith("HEAD"):
            assert_problem(response, 401, "bad-token")
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="waybill"'


async def test_a_token_of_an_account_that_is_not_there_opens_nothing(
    app: Litestar, anonymous: httpx.AsyncClient
) -> None:
    headers = {"Authorization": f"Bearer {Forger(app, new_id()).token()}"}

    promised = await anonymous.post("/v1/uploads", json={"name": "a", "size": 1}, headers=headers)
    sent = await anonymous.post("/v1/files", files={"file": ("a", b"x")}, headers=headers)

    assert_problem(promised, 401, "bad-token")
    assert_problem(sent, 401, "bad-token")
