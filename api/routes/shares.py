"""Shares, as their owner has them: made, listed, revoked."""

from typing import Any
from uuid import UUID

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from api.idempotency import HASHING
from api.limits import INVITATION
from api.paging import Cursor, Limit, next_link, paged, read_cursor
from api.requests import NewShare
from api.views import NewShareView, SharePage, ShareView
from domain.accounts import passwords
from domain.actor import Actor, Scope
from domain.shares.commands import RevokeShare, ShareFile, revoke_share, share_file
from domain.shares.queries import own_shares, recipients
from infra.settings import Settings

WITHOUT_TERMS = NewShare()


@post("/v1/files/{file_id:uuid}/shares", opt=HASHING | INVITATION, summary="Share a file; the link is shown this once")
async def make_share(
    file_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    transaction: NamedDependency[AsyncSession],
    settings: NamedDependency[Settings],
    data: JSONBody[NewShare] = WITHOUT_TERMS,
) -> NewShareView:
    actor.with_scope(Scope.FILES_WRITE)  # before anything is hashed; the command asks again
    password_hash = None if data.password is None else await passwords.hashed_as_given(data.password)
    command = ShareFile(file_id=file_id, terms=data.terms(password_hash), recipients=data.recipients)
    made = await share_file(transaction, actor, command)
    return NewShareView.of(made.share, made.recipients, token=made.token, url=share_url(settings, made.token))


@get("/v1/files/{file_id:uuid}/shares", summary="A file's shares, newest first, also those that are over")
async def list_shares(
    request: Request[Actor, Any, Any],
    file_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    transaction: NamedDependency[AsyncSession],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[SharePage]:
    after = read_cursor(cursor, UUID)
    found, more = paged(await own_shares(transaction, actor, file_id, after=after, limit=limit + 1), limit)
    invited = await recipients(transaction, found)
    views = [ShareView.of(share, invited[share.id]) for share in found]
    return Response(SharePage(views, more), headers=next_link(request, more))


@delete("/v1/shares/{share_id:uuid}", summary="Revoke a share: none of its links leads anywhere any more")
async def remove_share(
    share_id: FromPath[UUID], actor: NamedDependency[Actor], transaction: NamedDependency[AsyncSession]
) -> None:
    await revoke_share(transaction, actor, RevokeShare(share_id=share_id))


def share_url(settings: Settings, token: str) -> str:
    return f"{settings.public_url}/s/{token}"


ROUTES = (make_share, list_shares, remove_share)
"""The owner's. Those of whoever has a link are in `shared.py`."""
