"""What is behind the link of a share, for whoever has it: a page for people, JSON for all others."""

from typing import Annotated, Any
from urllib.parse import parse_qs

from litestar import HttpMethod, Request, Response, post, route
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, HeaderParameter
from litestar.response import Redirect
from sqlalchemy.ext.asyncio import AsyncSession

from api import pages
from api.auth import PUBLIC
from api.downloads import content_url
from api.headers import header_text
from api.idempotency import HASHING
from api.limits import SHARE_PASSWORD, SHARE_PASSWORD_HEADER
from api.problem_pages import PROBLEM_PAGES
from api.views import SharedFileView
from domain.accounts import passwords
from domain.errors import Unparsable, UnsupportedType
from domain.shares.errors import SharePasswordError, SharePasswordMissing
from domain.shares.queries import shared_file
from infra.storage import Storage
from outbox.downloads import download_shared, look_at_shared

AnyRequest = Request[Any, Any, Any]
Password = Annotated[str | None, HeaderParameter(name=SHARE_PASSWORD_HEADER)]
OF_BROWSERS = {"X-Robots-Tag": "noindex", "Vary": "Accept"}
MAX_FORM_SIZE = 4096


@route(
    "/s/{token:str}",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    opt=PUBLIC,
    exception_handlers=dict(PROBLEM_PAGES),
    responses={200: ResponseSpec(SharedFileView, generate_examples=False, description="JSON, or a page of HTML")},
    summary="What a share leads to; a page where a browser asks",
)
async def show_share(
    request: AnyRequest, token: FromPath[str], transaction: NamedDependency[AsyncSession]
) -> Response[Any]:
    if pages.wants_page(request):
        return await _page(request, transaction, token)
    return Response(SharedFileView.of(await shared_file(transaction, token)), headers=OF_BROWSERS)


@route(
    "/s/{token:str}/content",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    status_code=307,
    opt=PUBLIC | SHARE_PASSWORD,
    exception_handlers=dict(PROBLEM_PAGES),
    responses={307: ResponseSpec(None, generate_examples=False, description="Location: a short-lived URL")},
    summary="Download what is shared: a redirect to a short-lived URL",
)
async def download_share(
    request: AnyRequest,
    token: FromPath[str],
    transaction: NamedDependency[AsyncSession],
    storage: NamedDependency[Storage],
    sent: Password = None,
) -> Redirect | Response[str]:
    password = header_text(sent)
    try:
        async with passwords.turn_if(password is not None):
            if request.method == HttpMethod.HEAD:
                content = (await look_at_shared(transaction, token, password)).content()
            else:
                content = await download_shared(transaction, token, password, at_once=True)
    except SharePasswordError as error:
        if not pages.wants_page(request):
            raise
        return await _page(request, transaction, token, refused=error)
    url = await content_url(storage, content, request.method)
    return Redirect(url, status_code=307, headers={"Cache-Control": "no-store"} | OF_BROWSERS)


@post(
    "/s/{token:str}",
    status_code=200,
    opt=PUBLIC | SHARE_PASSWORD | HASHING,
    exception_handlers=dict(PROBLEM_PAGES),
    include_in_schema=False,
)
async def send_password(
    request: AnyRequest,
    token: FromPath[str],
    transaction: NamedDependency[AsyncSession],
    storage: NamedDependency[Storage],
) -> Redirect | Response[str]:
    """The form of the page. A browser stays, on a page that leads on: a form may not be sent to another host."""
    password = await _password(request)
    try:
        async with passwords.turn():
            content = await download_shared(transaction, token, password, at_once=False)
    except SharePasswordError as error:
        if not pages.wants_page(request):
            raise
        return await _page(request, transaction, token, refused=error)
    url = await content_url(storage, content, HttpMethod.GET)
    if pages.wants_page(request):
        return pages.page("started", url=url, name=content.name)
    return Redirect(url, status_code=303, headers={"Cache-Control": "no-store"} | OF_BROWSERS)


async def _page(
    request: AnyRequest, session: AsyncSession, token: str, *, refused: SharePasswordError | None = None
) -> Response[str]:
    shared = await shared_file(session, token)
    return pages.page(
        "share",
        status=401 if refused else 200,
        headers={"WWW-Authenticate": refused.challenge} if refused else None,
        here=f"../{token}" if request.url.path.endswith("/content") else token,
        file=shared.file,
        ready=shared.file.is_available,
        expires_at=shared.expires_at,
        downloads_left=shared.share.downloads_left,
        password_required=shared.share.has_password,
        wrong=None if isinstance(refused, SharePasswordMissing) else refused and "That is not the password. Try again.",
    )


async def _password(request: AnyRequest) -> str | None:
    """The field of the form. Raises UnsupportedType, Unparsable."""
    if not request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        raise UnsupportedType("send the password as a form")
    body = await request.body()
    if len(body) > MAX_FORM_SIZE:
        raise Unparsable("the form is too long")
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=10, errors="strict")
    except ValueError as error:
        raise Unparsable("the form cannot be read") from error
    return fields.get("password", [None])[0]


ROUTES = (show_share, download_share, send_password)
