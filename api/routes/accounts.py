"""Accounts: opened by anybody, verified and recovered by mail, looked at and closed by whoever has one."""

import asyncio

from litestar import MediaType, Response, delete, get, patch, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import UNSET
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import PUBLIC
from api.idempotency import HASHING
from api.limits import ONE_TIME_TOKEN, PASSWORD_RESET, REGISTRATION
from api.requests import NewPassword, PasswordReset, ProfileChange, Registration, Verification
from api.views import AccountView, MeView, StorageView
from domain.accounts import commands
from domain.accounts.commands import Register, RenameAccount, RequestPasswordReset, ResetPassword, VerifyAccount
from domain.accounts.model import Account
from domain.accounts.queries import own_account
from domain.accounts.quota import quota_of
from domain.actor import Actor
from infra.settings import Settings

RESET_SECONDS = 0.1
"""How long asking for a reset takes, whether the address is known or not: longer than the work for a known one."""


@post("/v1/accounts", opt=PUBLIC | REGISTRATION | HASHING, summary="Open an account")
async def open_account(data: JSONBody[Registration], transaction: NamedDependency[AsyncSession]) -> AccountView:
    command = Register(email=data.email, password=data.password, name=data.name)
    return AccountView.of(await commands.register(transaction, command))


@post(
    "/v1/accounts/verify",
    status_code=204,
    opt=PUBLIC | ONE_TIME_TOKEN,
    summary="Show that you read the mail sent to your address",
)
async def verify_account(data: JSONBody[Verification], transaction: NamedDependency[AsyncSession]) -> None:
    await commands.verify_account(transaction, VerifyAccount(token=data.token))


@get("/v1/me", summary="Your own account")
async def get_me(
    actor: NamedDependency[Actor], transaction: NamedDependency[AsyncSession], settings: NamedDependency[Settings]
) -> MeView:
    return _me(settings, await own_account(transaction, actor))


@patch("/v1/me", summary="Change your name")
async def change_me(
    data: JSONBody[ProfileChange],
    actor: NamedDependency[Actor],
    transaction: NamedDependency[AsyncSession],
    settings: NamedDependency[Settings],
) -> MeView:
    account = await own_account(transaction, actor)
    if data.name is not UNSET:
        account = await commands.rename_account(transaction, actor, RenameAccount(name=data.name))
    return _me(settings, account)


@delete("/v1/me", summary="Close your account for good; your files go soon after")
async def close_me(actor: NamedDependency[Actor], transaction: NamedDependency[AsyncSession], state: State) -> None:
    ended = await commands.close_account(transaction, actor)
    state.liveness.forget_once_committed(transaction, ended)


@post(
    "/v1/password-resets",
    status_code=202,
    opt=PUBLIC | PASSWORD_RESET,
    media_type=MediaType.TEXT,
    summary="Ask for a mail with which to set another password",
)
async def request_password_reset(
    data: JSONBody[PasswordReset], transaction: NamedDependency[AsyncSession]
) -> Response[str]:
    """Answers the same, and as late, for an address that nobody has."""
    until_then = asyncio.create_task(asyncio.sleep(RESET_SECONDS))
    await commands.request_password_reset(transaction, RequestPasswordReset(email=data.email))
    await transaction.flush()
    await until_then
    return Response("", media_type=MediaType.TEXT)


@post(
    "/v1/password-resets/confirm",
    status_code=204,
    opt=PUBLIC | ONE_TIME_TOKEN | HASHING,
    summary="Set another password; every session ends",
)
async def reset_password(data: JSONBody[NewPassword], transaction: NamedDependency[AsyncSession], state: State) -> None:
    ended = await commands.reset_password(transaction, ResetPassword(token=data.token, password=data.password))
    state.liveness.forget_once_committed(transaction, ended)


def _me(settings: Settings, account: Account) -> MeView:
    quota = quota_of(account, default=settings.quota_bytes)
    return MeView.with_storage(account, StorageView(account.used_bytes, quota, account.stored_files))


ROUTES = (open_account, verify_account, get_me, change_me, close_me, request_password_reset, reset_password)
