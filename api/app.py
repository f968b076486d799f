"""The HTTP application, put together."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from litestar import Litestar
from litestar.datastructures import State

from api.access_log import access_log
from api.auth import Authentication
from api.bodies import MAX_BODY_SIZE, JsonRequest
from api.checks import Checks
from api.commands import CommandMiddleware
from api.dependencies import DEPENDENCIES
from api.headers import add_headers, cross_origin
from api.live.streams import Streams
from api.liveness import Liveness
from api.openapi import OPENAPI
from api.problems import EXCEPTION_HANDLERS
from api.routes import (
    accounts,
    descriptions,
    events,
    files,
    incoming,
    machines,
    service_tokens,
    sessions,
    shared,
    shares,
    uploads,
)
from api.service_tokens import ServiceTokens
from api.signing_keys import SigningKeys
from api.tokens import AccessTokens
from domain.catalogue import STREAMS
from infra import streams
from infra.database import create_engine
from infra.driver import Driver
from infra.keyring import local_keys, secret_keys
from infra.metrics import process_registry
from infra.rates import Rates
from infra.settings import Settings, load_settings
from infra.storage import Storage
from outbox.session import session_factory
from outbox.standing import Standing


def create_app(settings: Settings | None = None) -> Litestar:
    """Raises SettingsError where it cannot start with these settings."""
    settings = settings or load_settings()
    local_keys(settings), secret_keys(settings)  # nobody could log in without
    app = Litestar(
        route_handlers=[
            *(*accounts.ROUTES, *sessions.ROUTES, *service_tokens.ROUTES),
            *(*incoming.ROUTES, *uploads.ROUTES, *files.ROUTES, *shares.ROUTES, *shared.ROUTES),
            *(*events.ROUTES, *machines.ROUTES, *descriptions.ROUTES),
        ],
        lifespan=[_resources],
        state=State({"settings": settings}),
        middleware=[Authentication, CommandMiddleware(), Checks()],
        request_class=JsonRequest,
        dependencies=DEPENDENCIES,
        exception_handlers=dict(EXCEPTION_HANDLERS),
        before_send=[add_headers],
        cors_config=cross_origin(settings),
        request_max_body_size=MAX_BODY_SIZE,
        openapi_config=OPENAPI,
        logging_config=None,
    )
    app.asgi_handler = access_log(app.asgi_handler)
    return app


@asynccontextmanager
async def _resources(app: Litestar) -> AsyncIterator[None]:
    """What lives as long as the process serves, by the settings in the state."""
    settings: Settings = app.state.settings
    app.state.local_keys = local = local_keys(settings)
    app.state.access_tokens = AccessTokens(local, issuer=settings.public_url)
    app.state.stream_tokens = AccessTokens(local, issuer=settings.public_url, use="stream")
    async with AsyncExitStack() as stack:
        engine = create_engine(settings.database_url, application_name="waybill-api")
        stack.push_async_callback(engine.dispose)
        app.state.sessions = factory = session_factory(engine)
        app.state.driver = Driver(engine)
        app.state.signing_keys = keys = SigningKeys(secret_keys(settings), factory)
        app.state.service_tokens = ServiceTokens(keys, factory, issuer=settings.public_url)
        app.state.liveness = Liveness(factory)
        app.state.streams = live = Streams(factory)
        await stack.enter_async_context(live.running())
        app.state.redis = streams.connect(settings.redis_url)
        stack.push_async_callback(app.state.redis.aclose)
        app.state.standing = standing = Standing(factory, app.state.redis, STREAMS)
        app.state.registry = process_registry()
        app.state.registry.register(standing)
        app.state.rates = Rates(app.state.redis, ring=local, scale=settings.rate_limit_scale)
        app.state.storage = await stack.enter_async_context(Storage.connect(settings))
        yield
