"""Every request has an id: the client's own where it is sane, so that a failure can be found in the logs."""

import re
from typing import Any

from litestar.datastructures import Headers
from litestar.types import Scope

from domain.aggregate import new_id

SANE = re.compile(r"[A-Za-z0-9._~:+/=@-]{1,128}")
HEADER = "X-Request-Id"


def request_id(scope: Scope) -> str:
    state: Any = scope.setdefault("state", {})
    if "waybill_request_id" not in state:
        given = Headers.from_scope(scope).get(HEADER, "")
        state["waybill_request_id"] = given if SANE.fullmatch(given) else str(new_id())
    found: str = state["waybill_request_id"]
    return found
