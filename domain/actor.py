"""Who is asking. Commands and queries take an actor; they never trust that a route has checked."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Actor:
    account_id: UUID
    session_id: UUID | None = None

    def owns(self, owner_id: UUID) -> bool:
        return self.account_id == owner_id
