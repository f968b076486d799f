"""Pages for people: HTML without scripts, which loads nothing from anywhere."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from litestar import MediaType, Request, Response
from markupsafe import Markup

from domain.files.wording import FILTERS

FOLDER = Path(__file__).parent
STYLE = (FOLDER / "page.css").read_text()
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Robots-Tag": "noindex",
    "Vary": "Accept",
}


def wants_page(request: Request[Any, Any, Any]) -> bool:
    """As browsers do: they name HTML. Whoever takes anything gets JSON."""
    quality = _qualities(request.headers.get("Accept", ""))
    return quality.get("text/html", 0.0) > quality.get("application/json", 0.0)


def page(
    template: str, /, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: object
) -> Response[str]:
    """A template, filled in; whatever strangers wrote is escaped."""
    html = TEMPLATES.get_template(f"{template}.html").render(values)
    return Response(html, status_code=status, media_type=MediaType.HTML, headers=HEADERS | dict(headers or {}))


def _qualities(accept: str) -> dict[str, float]:
    """By media type; what has a quality that is no number has none."""
    found: dict[str, float] = {}
    for each in accept.split(","):
        media_type, *parameters = [part.strip().lower() for part in each.split(";")]
        given = [part.removeprefix("q=") for part in parameters if part.startswith("q=")]
        try:
            found[media_type] = float(given[0]) if given else 1.0
        except ValueError:
            found[media_type] = 0.0
    return found


TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined
)
TEMPLATES.filters |= FILTERS
TEMPLATES.globals["style"] = Markup(STYLE)  # noqa: S704 - our own file
