"""Steps: somebody new arrives."""

import secrets

from infra.demo.outcome import Done
from infra.demo.traveller import Traveller


async def register(traveller: Traveller) -> Done:
    """Open an account, with an address and a password that nobody has used before."""
    traveller.email = f"demo-{secrets.token_hex(6)}@example.com"
    traveller.password = secrets.token_urlsafe(24)
    await traveller.ask("POST", "/v1/accounts", expect=201, json=_credentials(traveller))
    return Done(traveller.email)


async def log_in(traveller: Traveller) -> Done:
    """Get a token, which every later request to the API carries."""
    session = await traveller.ask("POST", "/v1/sessions", expect=201, json=_credentials(traveller))
    traveller.api.headers["Authorization"] = f"Bearer {session.json()['access_token']}"
    return Done()


def _credentials(traveller: Traveller) -> dict[str, str]:
    return {"email": traveller.email, "password": traveller.password}
