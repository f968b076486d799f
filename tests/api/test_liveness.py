"""What is remembered of a credential is bounded in time and number, and never older than what we did to it."""

from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from api import liveness as module
from api.liveness import Liveness
from domain.aggregate import new_id
from tests.database import Database


class Asked:
    """A look that counts, and answers as it is told."""

    def __init__(self) -> None:
        self.alive, self.times = True, 0

    async def __call__(self, session: AsyncSession, credential_id: UUID) -> bool:
        self.times += 1
        return self.alive


async def test_one_question_is_enough_for_a_while(database: Database) -> None:
    liveness, look, id_ = Liveness(database.sessions), Asked(), new_id()

    assert [await liveness.is_alive(id_, look) for _ in range(3)] == [True] * 3
    assert look.times == 1

    liveness.forget([id_])
    look.alive = False
    assert [await liveness.is_alive(id_, look) for _ in range(3)] == [False] * 3
    assert look.times == 2


async def test_only_so_many_are_remembered(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CAPACITY", 2)
    liveness, look, (first, second, third) = Liveness(database.sessions), Asked(), (new_id() for _ in range(3))

    for id_ in (first, second, first, third, first):
        await liveness.is_alive(id_, look)
    assert look.times == 3

    await liveness.is_alive(second, look)
    assert look.times == 4


async def test_an_answer_from_before_a_revocation_is_not_remembered(database: Database) -> None:
    liveness, asked, id_ = Liveness(database.sessions), Asked(), new_id()

    async def overtaken(session: AsyncSession, credential_id: UUID) -> bool:
        liveness.forget([credential_id])
        return True

    await liveness.is_alive(id_, overtaken)
    asked.alive = False

    assert not await liveness.is_alive(id_, asked)


async def test_a_revocation_that_is_not_committed_changes_nothing(database: Database) -> None:
    liveness, look, id_ = Liveness(database.sessions), Asked(), new_id()
    await liveness.is_alive(id_, look)

    async with database.sessions() as session:
        liveness.forget_once_committed(session, [id_])
        await session.connection()
        await session.rollback()
        await liveness.is_alive(id_, look)
    assert look.times == 1

    async with database.sessions.begin() as session:
        liveness.forget_once_committed(session, [id_])
        await session.connection()
    await liveness.is_alive(id_, look)
    assert look.times == 2
