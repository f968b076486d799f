"""Problems as pages, for people who came by a link; whoever does not ask for HTML gets the problem itself."""

from collections.abc import Callable, Mapping
from typing import Any

from litestar import Request, Response

from api import pages
from api.problems import EXCEPTION_HANDLERS

Handler = Callable[[Request[Any, Any, Any], Any], Response[Any]]

TOLD = {
    "share-not-found": (
        "This link leads nowhere",
        "Perhaps a part of it is missing, or whoever shared the file has taken it back.",
    ),
    "share-expired": ("This link has expired", "Ask whoever sent it to you for a new one."),
    "share-used-up": (
        "This link is used up",
        "The file has been downloaded as often as its owner allows. Ask whoever sent you the link for a new one.",
    ),
    "file-gone": ("This file is gone", "Its time was over, or its owner has deleted it."),
    "file-not-ready": ("Not quite ready", "The file is still being checked. Try again in a moment."),
    "too-many-requests": ("Too many tries", "Wait a few minutes, then try again."),
}
"""Title and advice, by the problem's slug."""
LATER = ("Something is out of order", "It is not your link. Try again in a moment.")
TRIED_AGAIN = frozenset({"file-not-ready", "too-many-requests"})


def as_page(handler: Handler) -> Handler:
    def handle(request: Request[Any, Any, Any], error: Any) -> Response[Any]:
        problem = handler(request, error)
        if not pages.wants_page(request):
            problem.headers["Vary"] = "Accept"
            return problem
        return _page(problem, request.url.path)

    return handle


def _page(problem: Response[Any], path: str) -> Response[str]:
    status, slug = problem.content["status"], problem.content["type"].rpartition("/")[2]
    otherwise = LATER if status >= 500 else (problem.content["title"], problem.content["detail"])  # noqa: PLR2004
    title, advice = TOLD.get(slug, otherwise)
    again = path.removesuffix("/content") if slug in TRIED_AGAIN or status >= 500 else None  # noqa: PLR2004
    headers = {name: value for name, value in problem.headers.items() if name in {"Retry-After", "WWW-Authenticate"}}
    return pages.page("problem", status=status, headers=headers, title=title, advice=advice, again=again)


PROBLEM_PAGES: Mapping[Any, Any] = {kind: as_page(handler) for kind, handler in EXCEPTION_HANDLERS.items()}
