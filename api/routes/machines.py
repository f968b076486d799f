"""For machines: whether this process is alive, and whether it can work."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.datastructures import State
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from sqlalchemy import text

from api.auth import PUBLIC
from api.problems import unavailable

CHECK_SECONDS = 2.0


class Check(msgspec.Struct):
    ok: bool
    seconds: float
    error: str | None = None


class Readiness(msgspec.Struct):
    ready: bool
    checks: dict[str, Check]


@get("/health/live", opt=PUBLIC, summary="Alive: touches nothing else")
async def live() -> dict[str, str]:
    return {"status": "alive"}


@get("/health/ready", opt=PUBLIC, summary="Ready: Postgres, Redis and S3 answer")
async def ready(request: Request[Any, Any, Any], state: State) -> Response[Readiness]:
    names = ("postgres", "redis", "s3")
    results = await asyncio.gather(*map(_check, (_postgres(state), state.redis.ping(), state.storage.ping())))
    checks = dict(zip(names, results, strict=True))
    if not all(check.ok for check in results):
        down = ", ".join(name for name, check in checks.items() if not check.ok)
        return unavailable(request, f"Out of reach: {down}", ready=False, checks=checks)
    return Response(Readiness(ready=True, checks=checks))


EXPOSITION = CONTENT_TYPE_PLAIN_0_0_4.removesuffix("; charset=utf-8")
"""Litestar adds a charset to every text; Prometheus refuses what names it twice."""


@get("/metrics", opt=PUBLIC, media_type=MediaType.TEXT, summary="Figures for Prometheus, in its text format")
async def metrics(state: State) -> Response[bytes]:
    await state.standing.ask()
    text = generate_latest(state.registry)
    return Response(text, media_type=EXPOSITION, headers={"Cache-Control": "no-store"})


@get("/", opt=PUBLIC, media_type=MediaType.TEXT, summary="What this is", include_in_schema=False)
async def index(state: State) -> str:
    base = state.settings.public_url
    return (
        "Waybill: a file service in which every change is one transaction that tells the world what happened.\n\n"
        f"  the API, to read  {base}/docs\n"
        f"  for machines      {base}/schema/openapi.json\n"
        f"  events, to read   {base}/asyncapi\n"
        f"  for machines      {base}/asyncapi.json\n"
        f"  alive             {base}/health/live\n"
        f"  ready             {base}/health/ready\n"
        f"  figures           {base}/metrics\n"
    )


async def _postgres(state: State) -> None:
    async with state.sessions() as session:
        await session.execute(text("SELECT 1"))


async def _check(asking: Awaitable[Any]) -> Check:
    began = time.perf_counter()
    error = None
    try:
        await asyncio.wait_for(asking, CHECK_SECONDS)
    except Exception as raised:  # noqa: BLE001 - whatever is wrong with it, it is not ready
        error = type(raised).__name__
    return Check(error is None, round(time.perf_counter() - began, 4), error)


ROUTES = (live, ready, metrics, index)
