"""Who is asking. Commands and queries take an actor; they never trust that a route has checked."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from domain.errors import Forbidden


class Scope(StrEnum):
    """What a service token may be allowed to do. A person who has logged in may do everything that is theirs to do."""

    EVENTS_READ = "events:read"
    FILES_READ = "files:read"
    FILES_WRITE = "files:write"


class ScopeMissing(Forbidden):
    """This token does not have the scope that it takes."""

    slug = "scope-missing"


class PersonOnly(Forbidden):
    """Only a person who has logged in may do this, no service token."""

    slug = "person-only"


@dataclass(frozen=True)
class Actor:
    """A person in a session, or a service with a token of theirs."""

    account_id: UUID
    session_id: UUID | None = None
    service_token_id: UUID | None = None
    scopes: frozenset[Scope] = frozenset(Scope)
    expires_at: datetime | None = None
    """When the credentials are over, however long what was begun with them takes."""

    def owns(self, owner_id: UUID) -> bool:
        return self.account_id == owner_id

    def with_scope(self, scope: Scope) -> Self:
        """Itself, if it has this scope. Raises ScopeMissing."""
        if scope not in self.scopes:
            raise ScopeMissing(f"This takes the scope {scope}")
        return self

    def as_person(self) -> Self:
        """Itself, if it is no service. Raises PersonOnly."""
        if self.service_token_id is not None:
            raise PersonOnly
        return self
