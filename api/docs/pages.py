"""Pages for people. Everything that they load comes from here."""

import functools
import importlib.util
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape

HERE = Path(__file__).parent / "pages"
SELF_ONLY = "default-src 'none'; img-src data:; style-src 'self'; frame-ancestors 'none'"
SWAGGER = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
)
"""Swagger UI writes styles into its elements."""
OURS = {"page.css": "text/css", "start.js": "text/javascript"}
THEIRS = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}

_pages = Environment(loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True)
_pages.filters["code"] = lambda text: Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped


@functools.cache
def events_page() -> str:
    from api.docs.asyncapi import document  # noqa: PLC0415 - FastStream takes a second, and few ask

    return _pages.get_template("events.html").render(document=document())


def api_page() -> str:
    return (HERE / "api.html").read_text(encoding="utf-8")


@functools.cache
def asset(name: str) -> tuple[bytes, str] | None:
    """Its content and media type, if it is one of those that our pages load."""
    if name in OURS:
        return (HERE / name).read_bytes(), OURS[name]
    if name in THEIRS:
        return (_swagger() / name).read_bytes(), THEIRS[name]
    return None


def _swagger() -> Path:
    found = importlib.util.find_spec("swagger_ui")
    assert found is not None  # noqa: S101 - a dependency of ours
    assert found.origin is not None  # noqa: S101
    return Path(found.origin).parent / "static"
