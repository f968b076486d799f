"""`waybill reconcile`: a report first, with an exit code for a monitor; then, if asked to, the repair."""

from collections.abc import Mapping

import pytest

from domain.aggregate import new_id
from domain.files.promise import object_key
from infra.storage import Storage
from tests.consumers.reconciliation.conftest import is_gone, put
from tests.outbox.conftest import Run, answer


@pytest.fixture
def any_storage(storage: Storage) -> Storage:
    """The one that the command finds."""
    return storage


@pytest.fixture
def environment(environment: dict[str, str], bucket_name: str) -> Mapping[str, str]:
    return environment | {"WAYBILL_S3_BUCKET": bucket_name}


@pytest.fixture
def bucket_name() -> str:
    return f"reconcile-{new_id()}"


@pytest.fixture
async def bucket(storage: Storage) -> Storage:
    await storage.client.create_bucket(Bucket=storage.bucket)
    return storage


async def test_where_nothing_disagrees_it_exits_with_0(waybill: Run, bucket: Storage) -> None:
    result = await waybill("reconcile")

    assert (result.exit_code, result.stdout) == (
        0,
        "looked at 0 objects, 0 files, 0 uploads: nothing left that disagrees\n",
    )


async def test_a_report_changes_nothing_and_a_repair_is_told(waybill: Run, bucket: Storage) -> None:
    key = await put(bucket, object_key(file_id := new_id()))

    report = await waybill("reconcile", "--grace", "0", "--json")
    assert report.exit_code == 1
    told = answer(report)
    assert (told["ok"], told["found"], told["repaired"]) == (False, {"object_without_row": 1}, {})
    assert [(each["key"], each["file_id"], each["size"]) for each in told["findings"]] == [(key, str(file_id), 3)]
    assert not await is_gone(bucket, key)

    repair = await waybill("reconcile", "--grace", "0", "--repair")
    assert repair.exit_code == 0
    assert key in repair.stdout
    assert "storage.object_removed" in repair.stdout
    assert await is_gone(bucket, key)


async def test_what_is_young_is_no_reason_for_an_alarm(waybill: Run, bucket: Storage) -> None:
    await put(bucket, object_key(new_id()))

    assert (await waybill("reconcile")).exit_code == 0


async def test_of_many_findings_the_first_ones_are_named(waybill: Run, bucket: Storage) -> None:
    for _ in range(3):
        await put(bucket, object_key(new_id()))

    told = answer(await waybill("reconcile", "--grace", "0", "--limit", "2", "--json"))

    assert (told["found"], len(told["findings"])) == ({"object_without_row": 3}, 2)


async def test_a_bucket_that_is_not_there_is_one_clear_line(waybill: Run) -> None:
    result = await waybill("reconcile")

    assert result.exit_code == 1
    assert result.stderr.startswith("waybill: S3: there is no bucket reconcile-")
