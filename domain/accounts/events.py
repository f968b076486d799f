"""What happens to accounts. Subject: the account's id."""

from uuid import UUID

from domain.event import Event, event

STREAM = "waybill:accounts"


class AccountEvent(Event):
    account_id: UUID

    @property
    def subject(self) -> UUID:
        return self.account_id


@event("account.registered", stream=STREAM)
class AccountRegistered(AccountEvent):
    """Somebody opened an account; the address is not verified yet."""

    account_id: UUID
    email: str
    name: str | None
