"""The URL with which somebody who may have a file gets its bytes, from S3."""

from litestar import HttpMethod

from domain.aggregate import now
from domain.files.presentation import Content, presented
from infra.storage import Storage

URL_SECONDS = 300
"""At most: a URL never outlives what it is for."""


async def content_url(storage: Storage, content: Content, method: str, *, inline: bool = False) -> str:
    """One that ends with the content's own time, at the latest."""
    seconds = URL_SECONDS
    if content.expires_at is not None:
        seconds = max(1, min(seconds, int((content.expires_at - now()).total_seconds())))
    sign = storage.url_to_head if method == HttpMethod.HEAD else storage.url_to_get
    disposition, content_type = presented(content.name, content.content_type, inline=inline)
    return await sign(content.key, disposition=disposition, content_type=content_type, expires_in=seconds)
