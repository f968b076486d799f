from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from consumers.subscription import consumes
from domain.accounts.events import AccountDeleted, AccountFilesLeft
from domain.accounts.model import Account
from domain.files.model import ENDED, File

BATCH = 500
"""Files per transaction: what is left is told by an event of its own."""


@consumes(AccountDeleted, AccountFilesLeft)
async def close_account(session: AsyncSession, event: AccountDeleted | AccountFilesLeft) -> None:
    """Delete the files of a closed account, a batch at a time; their bytes go as those of any deleted file."""
    kept = select(File).where(File.owner_id == event.account_id, File.status.not_in(ENDED))
    batch = (await session.scalars(kept.order_by(File.id).limit(BATCH).with_for_update())).all()
    for file in batch:
        file.delete()
    if len(batch) == BATCH:
        account = await session.get_one(Account, event.account_id)
        account.has_files_left()
