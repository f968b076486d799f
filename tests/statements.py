"""What is asked of Postgres: a hot path that asks more often than it did is slower than it was."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

ONCE = re.compile("pg_catalog|'jit'")


class Sent(list[str]):
    """Statements as they were sent, BEGIN and COMMIT included, but for what is asked once on each connection."""

    async def afresh(self) -> None:
        await asyncio.sleep(0)  # the driver tells of its own in the next round of the loop
        self.clear()

    async def verbs(self) -> list[str]:
        """The first word of each, by the alphabet: the driver's come later than they were sent."""
        await asyncio.sleep(0)
        return sorted(statement.split()[0].rstrip(";") for statement in self if not ONCE.search(statement))


@contextmanager
def statements(engine: AsyncEngine) -> Iterator[Sent]:
    """Collects what is sent meanwhile, be it by SQLAlchemy or by the driver itself."""
    sent = Sent()

    def note(_: object, __: object, statement: str, *___: object) -> None:
        sent.append(statement)

    def note_of_the_driver(record: Any) -> None:
        sent.append(record.query)

    def listen(_: object, record: Any, *__: object) -> None:
        record.driver_connection.add_query_logger(note_of_the_driver)

    def stop(_: object, record: Any) -> None:
        if record.driver_connection is not None:  # it was not lost
            record.driver_connection.remove_query_logger(note_of_the_driver)

    listeners: dict[str, Any] = {"before_cursor_execute": note, "checkout": listen, "checkin": stop}
    for name, listener in listeners.items():
        event.listen(engine.sync_engine, name, listener)
    try:
        yield sent
    finally:
        for name, listener in listeners.items():
            event.remove(engine.sync_engine, name, listener)
