"""What can go wrong with a command, by kind. A concept's own errors subclass one kind; its docstring is the message."""

from typing import ClassVar


class DomainError(Exception):
    """The command was refused."""

    slug: ClassVar[str] = "refused"
    stands: ClassVar[bool] = False
    """Whether what the command changed before it was refused is committed all the same."""

    def __init__(self, detail: str | None = None, *, field: str | None = None, **extra: object) -> None:
        self.detail = detail or (type(self).__doc__ or "").strip().splitlines()[0]
        self.field = field
        self.extra = extra
        super().__init__(self.detail)


class Unauthenticated(DomainError):
    """No or bad credentials."""

    slug = "unauthenticated"
    challenge: ClassVar[str] = 'Bearer realm="waybill"'
    """How to show who one is, as `WWW-Authenticate` has it."""


class Forbidden(DomainError):
    """You may not do this."""

    slug = "forbidden"


class NotFound(DomainError):
    """There is no such thing, or it is not yours."""

    slug = "not-found"


class Conflict(DomainError):
    """The present state does not allow this."""

    slug = "conflict"


class Gone(DomainError):
    """This is gone."""

    slug = "gone"


class Stale(DomainError):
    """It has changed since you read it."""

    slug = "stale"


class TooLarge(DomainError):
    """This is too large."""

    slug = "too-large"


class Invalid(DomainError):
    """This is not valid."""

    slug = "invalid"


class Unparsable(DomainError):
    """The request cannot be parsed."""

    slug = "unparsable"


class UnsupportedType(DomainError):
    """This media type is not taken here."""

    slug = "unsupported-media-type"


class TooOften(DomainError):
    """Too many requests."""

    slug = "too-many-requests"

    def __init__(self, detail: str | None = None, *, retry_after: int) -> None:
        super().__init__(detail or f"Try again in {retry_after} s")
        self.retry_after = retry_after


class Busy(DomainError):
    """There is more to do at the moment than can be done."""

    slug = "busy"
    retry_after = 5
