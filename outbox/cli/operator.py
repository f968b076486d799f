"""What every operator's command has: Postgres, Redis, `--json`, and one clear line where either is away."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec

import click
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from infra import streams
from infra.connection import DatabaseUnreachable
from infra.database import create_engine
from infra.settings import Settings, load_settings
from infra.telemetry import one_line
from outbox.session import Sessions, session_factory

P = ParamSpec("P")
TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Operator:
    """Somebody at a terminal."""

    settings: Settings
    sessions: Sessions
    redis: Redis
    as_json: bool


def operator_command(action: Callable[Concatenate[Operator, P], Awaitable[int | None]]) -> Callable[..., None]:
    """Make a click callback of a coroutine. What it returns is the exit code; nothing is 0."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text for people.")
    @functools.wraps(action)
    def command(*args: Any, as_json: bool, **options: Any) -> None:
        try:
            code = asyncio.run(_act(lambda operator: action(operator, *args, **options), as_json=as_json))
        except (DatabaseUnreachable, DBAPIError) as error:
            raise click.ClickException(f"Postgres: {one_line(error)}") from None
        except (RedisError, OSError) as error:
            raise click.ClickException(f"Redis: {one_line(error)}") from None
        raise SystemExit(code or 0)

    return command


async def _act(action: Callable[[Operator], Awaitable[int | None]], *, as_json: bool) -> int | None:
    settings = load_settings()
    engine = create_engine(settings.database_url, application_name="waybill-operator", pool_size=2)
    redis = streams.connect(settings.redis_url)
    try:
        return await action(Operator(settings, session_factory(engine), redis, as_json))
    finally:
        await redis.aclose()
        await engine.dispose()
