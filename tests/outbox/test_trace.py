"""One file's life on one page."""

import pytest

from domain.accounts.model import Account
from domain.aggregate import new_id
from domain.files.model import File
from infra.storage import Storage
from tests.database import Database
from tests.factories import an_account, an_available_file
from tests.outbox.conftest import History, Run, answer


@pytest.fixture
async def file(database: Database, history: History, storage: Storage) -> File:
    owner: Account = await database.save(an_account())
    file = an_available_file(owner_id=owner.id, name="a\x1b[2J.pdf")
    await storage.put(file.key, b"abc", content_type="application/pdf")
    await database.save(file)
    await history.publish()
    await history.deliver("finalize_upload", where="position = 1")
    await history.deliver("index_file", error="Traceback\nRuntimeError: no words", where="position = 2")
    return file


async def test_row_object_events_and_attempts_are_one_timeline(waybill: Run, file: File) -> None:
    found = answer(await waybill("trace", str(file.id), "--json"))

    assert found["status"] == "available"
    assert found["object"] == f"waybill/{file.key}, 3 bytes"
    assert [(moment["what"], moment["position"]) for moment in found["timeline"]] == [
        ("promised", None),
        ("file.uploaded", 1),
        ("file.available", 2),
        ("finalize_upload done", 1),
        ("index_file dead", 2),
    ]
    assert found["timeline"][1]["detail"] == "waybill:files 1-0"
    assert found["timeline"][4]["detail"] == "file.available, attempt 1: RuntimeError: no words"


async def test_it_is_safe_for_the_terminal(waybill: Run, file: File) -> None:
    result = await waybill("trace", str(file.id))

    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "index_file dead" in result.stdout


async def test_an_object_that_is_missing_is_said(waybill: Run, file: File, storage: Storage) -> None:
    await storage.delete(file.key)

    assert answer(await waybill("trace", str(file.id), "--json"))["object"].startswith("nothing at waybill/files/")


async def test_a_file_that_is_not_there_is_one_line(waybill: Run, database: Database) -> None:
    result = await waybill("trace", str(new_id()))

    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
