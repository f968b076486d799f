"""A request as a server hands it over, message by message: for what no HTTP client would do."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from litestar import Litestar


def scope(method: str, path: str, headers: dict[str, str], *, query: bytes = b"") -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("waybill.test", 80),
    }


def body(*chunks: bytes, whole: bool = True) -> Iterable[dict[str, Any]]:
    """These bytes, then the end or, unless `whole`, a client that has gone."""
    for index, chunk in enumerate(chunks, start=1):
        yield {"type": "http.request", "body": chunk, "more_body": not whole or index < len(chunks)}
    while True:
        yield {"type": "http.disconnect"}


async def send(
    app: Litestar,
    request: dict[str, Any],
    messages: Iterable[dict[str, Any]],
    *,
    before_the_end: Callable[[], Awaitable[Any]] | None = None,
) -> list[Any]:
    """What the application answers; it gets the last of the body only after `before_the_end`."""
    coming, sent = iter(messages), list[Any]()

    async def receive() -> Any:
        message = next(coming)
        if before_the_end is not None and not message.get("more_body", False):
            await before_the_end()
        return message

    async def note(message: Any) -> None:
        sent.append(message)

    await app(request, receive, note)  # type: ignore[arg-type]
    return sent
