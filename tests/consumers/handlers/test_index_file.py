"""An available file can be found by its words."""

from consumers.handlers.index_file import index_file
from domain.accounts.model import Account
from domain.files.events import FileAvailable, FileIndexed
from domain.files.search import asked_words
from tests.consumers.handlers.conftest import Handle
from tests.database import Database
from tests.factories import an_available_file


async def test_indexing_makes_the_words_of_name_tags_and_metadata_searchable(
    handle: Handle, owner: Account, database: Database
) -> None:
    await database.save(
        an_available_file(owner_id=owner.id, name="annualReport.pdf", tags=["finance"], metadata={"by": ["Ada", 7]})
    )
    (_, available) = await database.recorded()
    assert isinstance(available, FileAvailable)

    await handle(index_file, available)

    assert isinstance((await database.recorded())[-1], FileIndexed)
    for q in ("report", "finance", "ada", "7", "by"):
        query = "SELECT 1 FROM files WHERE search @@ cast(:asked AS tsquery)"
        assert await database.rows(query, asked=asked_words(owner.id, q)), q


async def test_a_file_deleted_meanwhile_is_not_indexed(handle: Handle, owner: Account, database: Database) -> None:
    file = an_available_file(owner_id=owner.id)
    file.delete()
    await database.save(file)

    await handle(index_file, (await database.recorded())[1])

    assert not any(isinstance(event, FileIndexed) for event in await database.recorded())


async def test_what_was_changed_is_indexed_again(handle: Handle, owner: Account, database: Database) -> None:
    file = an_available_file(owner_id=owner.id, name="old.txt")
    file.update({"name": "new.txt"})
    await database.save(file)

    await handle(index_file, (await database.recorded())[-1])

    assert isinstance((await database.recorded())[-1], FileIndexed)
