"""Steps: somebody new arrives."""

import asyncio
import re
import secrets
from email import message_from_bytes, policy
from pathlib import Path

from infra.demo.outcome import DemoFailed, Done
from infra.demo.traveller import Traveller

MAIL_SECONDS = 60.0
POLL_SECONDS = 0.05
TOKEN = re.compile(r'"token": "([^"]+)"')


async def register(traveller: Traveller) -> Done:
    """Open an account, with an address and a password that nobody has used before."""
    traveller.email = f"demo-{secrets.token_hex(6)}@example.com"
    traveller.password = secrets.token_urlsafe(24)
    await traveller.ask("POST", "/v1/accounts", expect=201, json=_credentials(traveller))
    return Done(traveller.email)


async def verify(traveller: Traveller) -> Done:
    """Wait for the mail, and send back the token that is in it."""
    if traveller.maildir is None:
        return Done("left out: its mail goes where we cannot look")
    subject, token = await _mail(traveller.maildir, traveller.email)
    await traveller.ask("POST", "/v1/accounts/verify", expect=204, json={"token": token})
    return Done(f"“{subject}”")


async def log_in(traveller: Traveller) -> Done:
    """Get a token, which every later request to the API carries."""
    session = await traveller.ask("POST", "/v1/sessions", expect=201, json=_credentials(traveller))
    traveller.api.headers["Authorization"] = f"Bearer {session.json()['access_token']}"
    me = (await traveller.ask("GET", "/v1/me", expect=200)).json()
    if traveller.maildir is not None and not me["verified"]:
        raise DemoFailed("the address is not verified")
    return Done()


async def _mail(maildir: Path, address: str) -> tuple[str, str]:
    """Subject and token of the first mail to the address. Raises DemoFailed if none comes."""
    try:
        async with asyncio.timeout(MAIL_SECONDS):
            while True:
                if (found := await asyncio.to_thread(_found, maildir, address)) is not None:
                    return found
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise DemoFailed(f"no mail to {address} within {MAIL_SECONDS:g} s in {maildir}") from None


def _found(maildir: Path, address: str) -> tuple[str, str] | None:
    for file in (maildir / "new").iterdir():
        mail = message_from_bytes(file.read_bytes(), policy=policy.default)
        body = mail.get_body(("plain",))
        if mail["To"] == address and body is not None and (token := TOKEN.search(body.get_content())):
            return str(mail["Subject"]), token[1]
    return None


def _credentials(traveller: Traveller) -> dict[str, str]:
    return {"email": traveller.email, "password": traveller.password}
