"""How routes are grouped for readers: by the file that they stand in, whose first line says what they are for."""

import inspect
import sys
from collections.abc import Iterable
from typing import Any

from litestar.handlers import HTTPRouteHandler


def tag(handler: HTTPRouteHandler) -> str:
    return handler.fn.__module__.rpartition(".")[2].replace("_", " ")


def tags(handlers: Iterable[HTTPRouteHandler]) -> list[dict[str, Any]]:
    modules = {tag(each): sys.modules[each.fn.__module__] for each in handlers}
    return [{"name": name, "description": inspect.getdoc(module)} for name, module in modules.items()]
