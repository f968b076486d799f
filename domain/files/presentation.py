"""How a file is handed out: to be saved, or to be shown where a browser cannot be made to run it."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

MEDIA = ("audio/", "video/")
IMAGES = frozenset(f"image/{each}" for each in ("avif", "bmp", "gif", "jpeg", "png", "tiff", "webp", "x-icon"))
"""Not `image/svg+xml`, which holds scripts, as do HTML, XML and PDF."""
TEXT = "text/plain"


@dataclass(frozen=True)
class Content:
    """Bytes that somebody may have until `expires_at`: `key` is where they are in S3."""

    name: str
    content_type: str
    key: str
    expires_at: datetime | None


def presented(name: str, content_type: str, *, inline: bool) -> tuple[str, str]:
    """`Content-Disposition` and `Content-Type`. Shown are types that cannot script, without whatever parameters."""
    essence = content_type.partition(";")[0].strip().lower()
    if not (inline and is_safe(essence)):
        return disposition("attachment", name), content_type
    return disposition("inline", name), "text/plain; charset=utf-8" if essence == TEXT else essence


def is_safe(essence: str) -> bool:
    return essence in IMAGES or essence == TEXT or essence.startswith(MEDIA)


def disposition(kind: str, name: str) -> str:
    """As RFC 6266 has it: an ASCII stand-in for old clients, the true name in UTF-8 for all others."""
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%' else "_" for c in name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
