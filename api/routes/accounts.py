"""Accounts and sessions."""

from litestar import post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import PUBLIC
from api.limits import LOGIN, REGISTRATION
from api.requests import Login, Registration
from api.tokens import AccessTokens
from api.views import AccountView, SessionView
from domain.accounts.commands import LogIn, Register, log_in, register
from domain.aggregate import new_id


@post("/v1/accounts", opt=PUBLIC | REGISTRATION, summary="Open an account")
async def open_account(data: JSONBody[Registration], transaction: NamedDependency[AsyncSession]) -> AccountView:
    command = Register(email=data.email, password=data.password, name=data.name)
    account = await register(transaction, command)
    return AccountView(account.id, account.email, account.name, account.verified_at is not None, account.created_at)


@post("/v1/sessions", opt=PUBLIC | LOGIN, summary="Log in")
async def open_session(data: JSONBody[Login], transaction: NamedDependency[AsyncSession], state: State) -> SessionView:
    account = await log_in(transaction, LogIn(email=data.email, password=data.password))
    tokens: AccessTokens = state.access_tokens
    session_id = new_id()
    access = tokens.issue(account.id, session_id)
    return SessionView(session_id, access.token, access.expires_at)


ROUTES = (open_account, open_session)
