"""One file's life on one page."""

from datetime import UTC, datetime

import pytest

from domain.accounts.model import Account
from domain.actor import Actor
from domain.aggregate import new_id
from domain.files.model import File
from domain.shares.commands import RevokeShare, ShareFile, revoke_share, share_file
from domain.shares.model import Terms
from infra.storage import Storage
from outbox.downloads import download_own, download_shared
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


async def test_shares_and_downloads_are_told_by_whose_hand(
    waybill: Run, file: File, database: Database, history: History
) -> None:
    owner = Actor(file.owner_id)
    async with database.sessions.begin() as session:
        shared, other = [
            await share_file(session, owner, ShareFile(file_id=file.id, terms=terms, recipients=recipients))
            for terms, recipients in (
                (Terms(max_downloads=1, password_hash=None), ["ada@example.com"]),
                (Terms(password_hash="$x", expires_at=datetime(2100, 1, 2, tzinfo=UTC)), ()),
            )
        ]
        await revoke_share(session, owner, RevokeShare(share_id=other.share.id))
    async with database.session() as session:
        await download_shared(session, shared.token, None, at_once=True)
        await download_own(session, owner, file.id)
    await history.publish()

    found = answer(await waybill("trace", str(file.id), "--json"))
    printed = (await waybill("trace", str(file.id))).stdout

    first, second = found["shares"]
    assert (first["state"], first["downloads"], first["recipients"], first["mailed"]) == ("used-up", 1, 1, 0)
    assert (second["state"], second["has_password"]) == ("revoked", True)
    downloads = [moment["detail"] for moment in found["timeline"] if moment["what"] == "file.downloaded"]
    assert downloads[0].startswith(f"share {shared.share.id}, waybill:files ")
    assert downloads[1].startswith("by its owner, waybill:files ")
    assert f"share {shared.share.id}: used-up, downloads 1 of 1, mailed to 0 of 1" in printed
    assert f"share {other.share.id}: revoked, downloads 0, until 2100-01-02 00:00:00, with a password" in printed
    assert "ada@" not in printed
