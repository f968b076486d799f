"""What is behind the link of a share, for whoever has it."""

from typing import Annotated, Any

from litestar import HttpMethod, Request, Response, route
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter
from litestar.response import Redirect
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import PUBLIC
from api.downloads import content_url
from api.limits import SHARE_PASSWORD, SHARE_PASSWORD_HEADER
from api.views import SharedFileView
from domain.accounts import passwords
from domain.shares.queries import shared_file
from infra.storage import Storage
from outbox.downloads import download_shared, look_at_shared

ROBOTS = {"X-Robots-Tag": "noindex"}
"""A link is for whoever was given it."""
Password = Annotated[str | None, HeaderParameter(name=SHARE_PASSWORD_HEADER)]


@route("/s/{token:str}", http_method=[HttpMethod.GET, HttpMethod.HEAD], opt=PUBLIC, summary="What a share leads to")
async def show_share(token: FromPath[str], transaction: NamedDependency[AsyncSession]) -> Response[SharedFileView]:
    return Response(SharedFileView.of(await shared_file(transaction, token)), headers=ROBOTS)


@route(
    "/s/{token:str}/content",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    status_code=307,
    opt=PUBLIC | SHARE_PASSWORD,
    summary="Download what is shared: a redirect to a short-lived URL",
)
async def download_share(
    request: Request[Any, Any, Any],
    token: FromPath[str],
    transaction: NamedDependency[AsyncSession],
    storage: NamedDependency[Storage],
    password: Password = None,
) -> Redirect:
    async with passwords.turn_if(password is not None):
        if request.method == HttpMethod.HEAD:
            content = (await look_at_shared(transaction, token, password)).content()
        else:
            content = await download_shared(transaction, token, password, at_once=True)
    url = await content_url(storage, content, request.method)
    return Redirect(url, status_code=307, headers={"Cache-Control": "no-store"} | ROBOTS)


ROUTES = (show_share, download_share)
