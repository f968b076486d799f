from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from consumers.reconciliation.comparing import Comparison
from consumers.reconciliation.finding import Finding, Kind
from consumers.reconciliation.repairing import Repair
from domain.accounts.model import Account
from domain.files.model import File
from infra.storage import ObjectMissing, Storage
from tests.consumers.handlers.conftest import handle
from tests.database import Database
from tests.factories import an_account, an_available_file
from tests.outbox.conftest import history, waybill

__all__ = ["handle", "history", "waybill"]

Compare = Callable[..., Comparison]


@pytest.fixture
async def bucket(any_storage: Storage) -> Storage:
    """One of its own: what other tests have left behind would be found."""
    storage = replace(any_storage, bucket=f"reconcile-{uuid4()}")
    await storage.client.create_bucket(Bucket=storage.bucket)
    return storage


@pytest.fixture
async def owner(database: Database) -> Account:
    return await database.save(an_account())


@pytest.fixture
def compare(database: Database, bucket: Storage) -> Compare:
    """By default without grace: nothing that the tests do is on its way."""

    def make(**graces: timedelta) -> Comparison:
        settled: dict[str, Any] = {"grace": timedelta(0), "upload_grace": timedelta(0)}
        return Comparison(database.sessions, bucket, **settled | graces)

    return make


async def found(comparison: Comparison) -> list[Finding]:
    return [finding async for page in comparison.pages() for finding in page.findings]


async def kinds(comparison: Comparison) -> list[Kind]:
    return [finding.kind for finding in await found(comparison)]


async def repaired(comparison: Comparison) -> int:
    """How many were, of all that is found."""
    return (await Repair.of(comparison).all(await found(comparison))).total()


async def put(storage: Storage, key: str) -> str:
    await storage.put(key, b"abc", content_type="text/plain")
    return key


async def with_object(database: Database, storage: Storage, file: File, *, key: str | None = None) -> File:
    file.bucket = storage.bucket
    await put(storage, key or file.key)
    return await database.save(file)


async def a_file(database: Database, storage: Storage, owner: Account, **values: Any) -> File:
    """An available one, with its object."""
    return await with_object(database, storage, an_available_file(owner_id=owner.id, **values))


async def is_gone(storage: Storage, key: str) -> bool:
    try:
        await storage.size(key)
    except ObjectMissing:
        return True
    return False
