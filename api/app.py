"""The HTTP application, put together."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from api.auth import Authentication
from api.commands import CommandMiddleware
from api.dependencies import DEPENDENCIES
from api.problems import EXCEPTION_HANDLERS
from api.request_id import add_headers
from api.routes import accounts, files, machines, uploads
from api.tokens import AccessTokens, local_key
from domain.errors import UnsupportedType
from infra import streams
from infra.database import create_engine
from infra.settings import Settings, load_settings
from infra.storage import Storage
from outbox.session import session_factory

MAX_BODY_SIZE = 1024 * 1024
"""Bytes of a JSON body."""


def create_app(settings: Settings | None = None) -> Litestar:
    """Raises SettingsError where it cannot start with these settings."""
    settings = settings or load_settings()
    key = local_key(settings)

    @asynccontextmanager
    async def resources(app: Litestar) -> AsyncIterator[None]:
        app.state.settings, app.state.local_key = settings, key
        app.state.access_tokens = AccessTokens(key, issuer=settings.public_url)
        async with AsyncExitStack() as stack:
            engine = create_engine(settings.database_url, application_name="waybill-api")
            stack.push_async_callback(engine.dispose)
            app.state.sessions = session_factory(engine)
            app.state.redis = streams.connect(settings.redis_url)
            stack.push_async_callback(app.state.redis.aclose)
            app.state.storage = await stack.enter_async_context(Storage.connect(settings))
            yield

    return Litestar(
        route_handlers=[*accounts.ROUTES, *uploads.ROUTES, *files.ROUTES, *machines.ROUTES],
        lifespan=[resources],
        middleware=[Authentication, CommandMiddleware()],
        guards=[_takes_json],
        dependencies=DEPENDENCIES,
        exception_handlers=dict(EXCEPTION_HANDLERS),
        before_send=[add_headers],
        request_max_body_size=MAX_BODY_SIZE,
        openapi_config=OpenAPIConfig(
            title="Waybill", version="1", path="/schema", render_plugins=[JsonRenderPlugin(path="/openapi.json")]
        ),
        logging_config=None,
    )


def _takes_json(connection: ASGIConnection, handler: BaseRouteHandler) -> None:  # type: ignore[type-arg]
    """A body is taken for JSON only if it says that it is."""
    wants_body = getattr(handler, "parsed_data_field", None) is not None
    media_type = connection.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if wants_body and media_type != "application/json":
        raise UnsupportedType("send the body as application/json")
