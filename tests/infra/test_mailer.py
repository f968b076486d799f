"""A mail is what it should be, whatever is in it, and a refusal says whether it is for good and nothing else."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from infra.mailer import Mail, Mailer, MailError, MailRefused, _server
from infra.settings import Settings, SettingsError

SECRET = "very-secret-token"


@dataclass
class FarEnd:
    """A mail server that answers as it is told."""

    answers: dict[str, str] = field(default_factory=dict)
    envelopes: list[Envelope] = field(default_factory=list)
    logins: list[Any] = field(default_factory=list)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:  # noqa: N802
        envelope.rcpt_tos.append(address)
        return self.answers.get("RCPT", "250 OK")

    async def handle_MAIL(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:  # noqa: N802
        envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802
        self.envelopes.append(envelope)
        return self.answers.get("DATA", "250 OK")

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"p@ss", handled=False)


@asynccontextmanager
async def listening(far_end: FarEnd, **options: Any) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(far_end, loop=loop, **options), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def a_mail(**values: str) -> Mail:
    good = {"id": "1", "to": "ada@example.com", "subject": "Hello", "text": f"{SECRET}\n", "html": "<p>Hello</p>"}
    return Mail(**good | values)


async def send(far_end: FarEnd, mail: Mail, *, url: str = "smtp://127.0.0.1:{port}", **options: Any) -> Any:
    """Returns the message as it arrived."""
    async with listening(far_end, **options) as port:
        settings = Settings(smtp_url=url.format(port=port), mail_from='"Wäybill, Ltd" <waybill@bücher.example>')
        await Mailer.of(settings).send(mail)
    return message_from_bytes(far_end.envelopes[-1].content, policy=policy.default)  # type: ignore[arg-type]


async def test_a_mail_says_who_when_and_that_a_machine_wrote_it() -> None:
    message = await send(FarEnd(), a_mail(id="0192"))

    assert message["From"].addresses[0].display_name == "Wäybill, Ltd"
    assert message["From"].addresses[0].addr_spec == "waybill@xn--bcher-kva.example"
    assert (message["To"], message["Subject"]) == ("ada@example.com", "Hello")
    assert message["Message-ID"] == "<0192@xn--bcher-kva.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime.tzinfo is not None
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
async def test_no_header_begins_another(end: str) -> None:
    far_end = FarEnd()

    message = await send(far_end, a_mail(subject=f"Hello{end}Bcc: eve@example.com{end}{end}body"))

    assert "Bcc" not in message
    assert message["Subject"] == "Hello Bcc: eve@example.com body"
    assert far_end.envelopes[0].rcpt_tos == ["ada@example.com"]
    with pytest.raises(MailRefused):
        await send(far_end, a_mail(to=f"ada{end}Bcc:eve@example.com"[:80] + f"@a.example{end}x"))


@pytest.mark.parametrize("to", ["", "ada", "@example.com", "ada@", "ada@exa mple.com", "ada@a..b", "a@b.c>"])
async def test_what_is_no_address_is_refused_before_anybody_is_asked(to: str) -> None:
    with pytest.raises(MailRefused):
        await Mailer.of(Settings(smtp_url="smtp://127.0.0.1:1")).send(a_mail(to=to))


async def test_addresses_in_other_scripts_arrive() -> None:
    far_end = FarEnd()
    await send(far_end, a_mail(to="ada@bücher.example"))
    await send(far_end, a_mail(to="päivi@bücher.example"), enable_SMTPUTF8=True)
    with pytest.raises(MailRefused):
        await send(far_end, a_mail(to="päivi@bücher.example"), enable_SMTPUTF8=False)

    assert [each.rcpt_tos for each in far_end.envelopes] == [
        ["ada@xn--bcher-kva.example"],
        ["päivi@xn--bcher-kva.example"],
    ]


async def test_an_odd_address_is_quoted_not_split() -> None:
    message = await send(far_end := FarEnd(), a_mail(to="a,b;c@example.com"))

    assert [each.addr_spec for each in message["To"].addresses] == ['"a,b;c"@example.com']
    assert len(far_end.envelopes[0].rcpt_tos) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"RCPT": f"550 {SECRET}"}, MailRefused),
        ({"DATA": f"554 {SECRET}"}, MailRefused),
        ({"RCPT": f"450 {SECRET}"}, MailError),
        ({"DATA": f"451 {SECRET}"}, MailError),
        ({"MAIL": f"550 {SECRET}"}, MailError),
        ({"MAIL": f"421 {SECRET}"}, MailError),
    ],
)
async def test_only_what_concerns_the_recipient_or_the_mail_is_refused_for_good(
    answer: dict[str, str], kind: type[Exception]
) -> None:
    with pytest.raises(MailError) as caught:
        await send(FarEnd(answer), a_mail())

    assert type(caught.value) is kind
    assert SECRET not in _everything_of(caught.value)


async def test_a_server_that_is_away_may_come_back() -> None:
    with pytest.raises(MailError) as caught:
        await Mailer.of(Settings(smtp_url="smtp://127.0.0.1:1")).send(a_mail())

    assert type(caught.value) is MailError


async def test_credentials_of_the_url_are_used_and_wrong_ones_are_not_for_good() -> None:
    far_end = FarEnd()
    options = {"authenticator": far_end.authenticate, "auth_require_tls": False}

    await send(far_end, a_mail(), url="smtp://me%40a:p%40ss@127.0.0.1:{port}", **options)
    with pytest.raises(MailError) as caught:
        await send(far_end, a_mail(), url="smtp://me%40a:wrong@127.0.0.1:{port}", **options)

    assert (b"me@a", b"p@ss") in far_end.logins
    assert type(caught.value) is MailError
    assert "wrong" not in _everything_of(caught.value)


@pytest.mark.parametrize(
    ("url", "required"),
    [
        ("smtp://me:secret@mail.example.com", True),
        ("smtp://mail.example.com", None),
        ("smtp://me:secret@localhost", None),
        ("smtp://me:secret@[::1]", None),
        ("smtps://me:secret@mail.example.com", None),
    ],
)
def test_credentials_leave_this_machine_only_behind_tls(url: str, required: bool | None) -> None:
    assert _server(url)["start_tls"] is required


async def test_a_server_without_tls_is_given_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.mailer._is_here", lambda _: False)
    far_end = FarEnd()
    options = {"authenticator": far_end.authenticate, "auth_require_tls": False}

    with pytest.raises(MailError) as caught:
        await send(far_end, a_mail(), url="smtp://me:secret@127.0.0.1:{port}", **options)

    assert type(caught.value) is MailError
    assert (far_end.logins, far_end.envelopes) == ([], [])


async def test_a_server_that_offers_tls_and_cannot_show_who_it_is_gets_nothing(tmp_path: Path) -> None:
    far_end = FarEnd()

    with pytest.raises(MailError) as caught:
        await send(far_end, a_mail(), tls_context=self_signed(tmp_path))

    assert type(caught.value) is MailError
    assert far_end.envelopes == []


def self_signed(directory: Path) -> ssl.SSLContext:
    key, moment = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    named = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    lasting = named.not_valid_before(moment).not_valid_after(moment + timedelta(days=1)).serial_number(1)
    certificate = lasting.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "server.pem").write_bytes(private + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem")
    return context


@pytest.mark.parametrize("mail_from", ["", "Waybill", "Waybill <>"])
def test_without_a_sender_nothing_starts(mail_from: str) -> None:
    with pytest.raises(SettingsError, match=r"^WAYBILL_MAIL_FROM: "):
        Mailer.of(Settings(mail_from=mail_from))


def test_a_port_that_is_none_is_told() -> None:
    with pytest.raises(SettingsError, match=r"^WAYBILL_SMTP_URL: "):
        Mailer.of(Settings(smtp_url="smtp://localhost:smtp"))


def _everything_of(error: BaseException) -> str:
    return "".join(f"{each!r} {each}" for each in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
