"""What happens to accounts. Subject: the account's id."""

from uuid import UUID

from domain.event import Event, event

STREAM = "waybill:accounts"


class AccountEvent(Event):
    account_id: UUID
    """The account."""

    @property
    def subject(self) -> UUID:
        return self.account_id


@event("account.registered", stream=STREAM)
class AccountRegistered(AccountEvent):
    """Somebody opened an account; the address is not verified yet."""

    account_id: UUID
    email: str
    """The address that its owner gave, not verified yet."""
    name: str | None
    """What its owner wants to be called; null where that was not said."""


@event("account.verified", stream=STREAM)
class AccountVerified(AccountEvent):
    """Whoever has the account reads the mail that goes to its address."""

    account_id: UUID


@event("account.password_reset_requested", stream=STREAM)
class PasswordResetRequested(AccountEvent):
    """Somebody, perhaps not its owner, asked for a new password of the account; nothing has changed."""

    account_id: UUID


@event("account.deleted", stream=STREAM)
class AccountDeleted(AccountEvent):
    """The account is closed for good, its address is free again; its files are about to be deleted."""

    account_id: UUID


@event("account.files_left", stream=STREAM)
class AccountFilesLeft(AccountEvent):
    """A closed account still has files: more than one transaction deletes."""

    account_id: UUID
