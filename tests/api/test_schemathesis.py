"""Every route is asked what its own description allows, and what it does not: the description holds.

Streams are left out, since their answers do not end.
"""

import asyncio
import contextlib
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from litestar import Litestar
from schemathesis import GenerationMode

from tests.api.conftest import Client
from tests.api.description import description
from tests.serving import served

EXAMPLES = 6
"""Of good and of bad requests each, for every route."""
ENDLESS = "GET /v1/events/stream"
UNREADABLE = b"Invalid HTTP request received."
"""What the server says before any of ours has seen the request."""
# A schema does not tell a token that is not there any more from one that is, nor which passwords are guessed first.
CHECKS = {"positive_data_acceptance": {"expected-statuses": ["2xx", "3xx", "401", "403", "404", "409", "410", "422"]}}


def _operations() -> dict[str, Any]:
    config = schemathesis.Config.from_dict({"checks": CHECKS})
    found: Any = schemathesis.openapi.from_dict(description(), config=config).get_all_operations()
    return {each.ok().label: each.ok() for each in found}


OPERATIONS = _operations()


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {ENDLESS}))
async def test_the_description_holds(name: str, app: Litestar, client: Client) -> None:
    async with served(app) as address:
        for mode in GenerationMode:
            await asyncio.to_thread(_explore, OPERATIONS[name], mode, address, client.headers)


def _explore(operation: Any, mode: GenerationMode, address: str, headers: dict[str, str]) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        answer = case.call(base_url=address, headers=headers)
        if answer.content != UNREADABLE:
            case.validate_response(answer, headers=headers)

    with contextlib.suppress(Unsatisfiable):  # of a route without parameters nothing bad can be asked
        ask()
