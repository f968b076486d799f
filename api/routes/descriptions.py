"""What the service says of itself: the events as AsyncAPI, and a page each of the API and of the events."""

import asyncio
from typing import Any

from litestar import MediaType, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from api.auth import PUBLIC
from api.docs import pages

KEPT = "public, max-age=86400"


@get("/asyncapi.json", opt=PUBLIC, include_in_schema=False)
async def asyncapi() -> dict[str, Any]:
    from api.docs.asyncapi import document  # noqa: PLC0415 - FastStream takes a second, and few ask

    return await asyncio.to_thread(document)


@get("/asyncapi", opt=PUBLIC, media_type=MediaType.HTML, include_in_schema=False)
async def events_page() -> Response[str]:
    page = await asyncio.to_thread(pages.events_page)
    return Response(page, headers={"Content-Security-Policy": pages.SELF_ONLY})


@get("/docs", opt=PUBLIC, media_type=MediaType.HTML, include_in_schema=False)
async def api_page() -> Response[str]:
    return Response(pages.api_page(), headers={"Content-Security-Policy": pages.SWAGGER})


@get("/docs/{asset:str}", opt=PUBLIC, include_in_schema=False)
async def asset(asset: FromPath[str]) -> Response[bytes]:
    if (found := pages.asset(asset)) is None:
        raise NotFoundException
    content, media_type = found
    return Response(content, media_type=media_type, headers={"Cache-Control": KEPT})


ROUTES = (asyncapi, events_page, api_page, asset)
