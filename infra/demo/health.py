"""Steps: is everybody there."""

from infra.demo.outcome import Done
from infra.demo.traveller import Traveller


async def is_ready(traveller: Traveller) -> Done:
    """Ask whether the API reaches Postgres, Redis and S3."""
    readiness = await traveller.ask("GET", "/health/ready", expect=200)
    return Done(f"{traveller.api.base_url}: {', '.join(readiness.json()['checks'])}")
