"""Service tokens, and the public keys that verify them."""

from typing import Any
from uuid import UUID

from litestar import Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import PUBLIC
from api.paging import Cursor, Limit, next_link, paged, read_cursor
from api.requests import NewServiceToken
from api.service_tokens import ServiceTokens
from api.signing_keys import SigningKeys
from api.views import KeysView, KeyView, NewServiceTokenView, ServiceTokenPage, ServiceTokenView
from domain.accounts.model import normal_email
from domain.actor import Actor
from domain.service_tokens.commands import (
    CreateServiceToken,
    RevokeServiceToken,
    create_service_token,
    revoke_service_token,
)
from domain.service_tokens.queries import own_service_token, own_service_tokens, published_keys
from infra.paserk import public_half
from infra.settings import Settings

CACHED_SECONDS = 300
"""Whoever verifies fetches the keys again this often, and whenever a token names one that they do not know."""


@post("/v1/service-tokens", summary="Make a token for a service; it is shown this once")
async def make_service_token(
    data: JSONBody[NewServiceToken],
    actor: NamedDependency[Actor],
    transaction: NamedDependency[AsyncSession],
    settings: NamedDependency[Settings],
    state: State,
) -> NewServiceTokenView:
    actor.as_person()
    keys: SigningKeys = state.signing_keys
    tokens: ServiceTokens = state.service_tokens
    key = await keys.current()
    command = CreateServiceToken(
        name=data.name,
        scopes=frozenset(data.scopes),
        kid=public_half(key).to_paserk_id(),
        expires_at=data.expires_at,
        event_readers=frozenset(map(normal_email, settings.event_readers)),
    )
    made = await create_service_token(transaction, actor, command)
    return NewServiceTokenView.of(made, token=tokens.issue(made, key))


@get("/v1/service-tokens", summary="Your service tokens, newest first, also those that are over")
async def list_service_tokens(
    request: Request[Actor, Any, Any],
    actor: NamedDependency[Actor],
    transaction: NamedDependency[AsyncSession],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[ServiceTokenPage]:
    query = own_service_tokens(actor, after=read_cursor(cursor, UUID), limit=limit + 1)
    found, more = paged((await transaction.scalars(query)).all(), limit)
    views = [ServiceTokenView.of(token) for token in found]
    return Response(ServiceTokenPage(views, more), headers=next_link(request, more))


@get("/v1/service-tokens/{token_id:uuid}", summary="One service token, without the token itself")
async def get_service_token(
    token_id: FromPath[UUID], actor: NamedDependency[Actor], transaction: NamedDependency[AsyncSession]
) -> ServiceTokenView:
    return ServiceTokenView.of(await own_service_token(transaction, actor, token_id))


@delete("/v1/service-tokens/{token_id:uuid}", summary="Revoke a service token")
async def remove_service_token(
    token_id: FromPath[UUID], actor: NamedDependency[Actor], transaction: NamedDependency[AsyncSession]
) -> None:
    await revoke_service_token(transaction, actor, RevokeServiceToken(token_id=token_id))


@get("/v1/keys", opt=PUBLIC, summary="The public keys that verify service tokens")
async def list_keys(transaction: NamedDependency[AsyncSession], state: State) -> Response[KeysView]:
    keys: SigningKeys = state.signing_keys
    current = public_half(await keys.current()).to_paserk_id()
    found = await published_keys(transaction, current=current)
    views = [KeyView(each.kid, each.paserk, each.created_at) for each in found]
    return Response(KeysView(views), headers={"Cache-Control": f"public, max-age={CACHED_SECONDS}"})


ROUTES = (make_service_token, list_service_tokens, get_service_token, remove_service_token, list_keys)
