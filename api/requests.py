"""What comes in, as JSON or as a form: it is checked here, at the edge."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api import metadata
from domain.accounts.passwords import MAX_LENGTH, MIN_LENGTH
from domain.actor import Scope
from domain.aggregate import now
from domain.errors import Invalid
from domain.files.parts import MAX_OBJECT_SIZE, MAX_PARTS
from domain.files.promise import Promise
from domain.shares.model import Terms

MAX_TAGS = 50
MAX_RECIPIENTS = 20
MAX_LIFETIME = timedelta(days=36_500)
_VISIBLE = r"[^\x00-\x1f\x7f-\x9f]"
_WORD = r"[A-Za-z0-9!#$&^_.+-]+"


def _all(pattern: str) -> str:
    """A pattern for the whole of a string: Python's `$` alone would let a newline pass at the end."""
    return rf"^{pattern}$(?!\n)"


FileName = Annotated[str, Meta(min_length=1, max_length=255, pattern=_all(r"[^\x00-\x1f\x7f-\x9f/\\]+"))]
"""No control characters and no slashes: nobody's download lands in another folder."""
Tag = Annotated[str, Meta(min_length=1, max_length=64, pattern=_all(f"{_VISIBLE}+"))]
ContentType = Annotated[str, Meta(max_length=255, pattern=_all(f"{_WORD}/{_WORD}( *;[ -~]{{0,100}})?"))]
"""ASCII on one line: it becomes a header at S3."""
Sha256 = Annotated[str, Meta(pattern=_all("[0-9a-fA-F]{64}"))]
Moment = Annotated[datetime, Meta(tz=True)]
_ADDRESS = r"[^@\s\x00-\x1f\x7f-\x9f]+"
Email = Annotated[str, Meta(max_length=254, pattern=_all(rf"{_ADDRESS}@{_ADDRESS}\.{_ADDRESS}"))]
Password = Annotated[str, Meta(min_length=MIN_LENGTH, max_length=MAX_LENGTH)]
SharePassword = Annotated[str, Meta(min_length=1, max_length=MAX_LENGTH)]
"""However short: it is for a link that nobody guesses, and not for an account."""
PersonName = Annotated[str, Meta(min_length=1, max_length=200, pattern=_all(f"{_VISIBLE}+"))]


class Request(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A body; a field that we do not know is a mistake, not a detail."""


class Registration(Request):
    email: Email
    password: Password
    name: PersonName | None = None


class Login(Request):
    email: Annotated[str, Meta(max_length=254, pattern=_all(f"{_VISIBLE}*"))]
    password: Annotated[str, Meta(max_length=MAX_LENGTH)]


class NewServiceToken(Request):
    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=_all(f"{_VISIBLE}+"))]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=len(Scope))]
    expires_at: Moment | None = None


Secret = Annotated[str, Meta(max_length=200, pattern=_all(f"{_VISIBLE}*"))]
"""A token of ours; whether it is one is not for its form to say."""


class Verification(Request):
    token: Secret


class ProfileChange(Request):
    name: PersonName | UnsetType | None = UNSET


class PasswordReset(Request):
    email: Annotated[str, Meta(max_length=254, pattern=_all(f"{_VISIBLE}*"))]


class NewPassword(Request):
    token: Secret
    password: Password


class Refreshment(Request):
    refresh_token: Secret


class NewShare(Request, frozen=True):  # type: ignore[misc]  # unlike a dataclass, a Struct may
    expires_at: Moment | None = None
    max_downloads: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    password: SharePassword | None = None
    recipients: Annotated[list[Email], Meta(max_length=MAX_RECIPIENTS)] = []
    message: Annotated[str, Meta(max_length=2000, pattern=_all(r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*"))] | None = (
        None
    )
    """For the recipients; of several lines, if need be."""

    def terms(self, password_hash: str | None) -> Terms:
        """Raises Invalid."""
        expires_at = _in_the_future(self.expires_at)
        return Terms(
            expires_at=expires_at,
            max_downloads=self.max_downloads,
            password_hash=password_hash,
            message=self.message or None,
        )


class FilePart(Request):
    """What the part of a form that is the file says of itself."""

    name: FileName
    content_type: ContentType = "application/octet-stream"


class FileFields(FilePart, kw_only=True):
    """What a client may say of a file, however its bytes come."""

    sha256: Sha256 | None = None
    tags: Annotated[list[Tag], Meta(max_length=MAX_TAGS)] = []
    metadata: dict[str, Any] = {}
    expires_at: Moment | None = None

    def promise(self, *, size: int) -> Promise:
        """Raises Invalid for what a type alone cannot say."""
        return Promise(
            name=self.name,
            size=size,
            content_type=self.content_type,
            sha256=self.sha256 and self.sha256.lower(),
            tags=self.tags,
            metadata=metadata.checked(self.metadata),
            expires_at=_in_the_future(self.expires_at),
        )


class NewUpload(FileFields, kw_only=True):
    size: Annotated[int, Meta(ge=0, le=MAX_OBJECT_SIZE)]


class PartNumbers(Request):
    numbers: Annotated[list[Annotated[int, Meta(ge=1, le=MAX_PARTS)]], Meta(min_length=1, max_length=MAX_PARTS)]


class FormFields(FileFields):
    """The fields of an upload form."""

    expires_in: Annotated[int, Meta(gt=0, le=int(MAX_LIFETIME.total_seconds()))] | None = None
    """Seconds."""

    def __post_init__(self) -> None:
        if self.expires_in is not None:
            if self.expires_at is not None:
                raise ValueError("give expires_at or expires_in, not both")
            self.expires_at = now() + timedelta(seconds=self.expires_in)


class FileChanges(Request):
    """What is left out stays as it is."""

    name: FileName | UnsetType = UNSET
    tags: Annotated[list[Tag], Meta(max_length=MAX_TAGS)] | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    expires_at: Moment | UnsetType | None = UNSET
    """Null for never; what is past ends the file's time now."""

    def given(self) -> dict[str, Any]:
        """Raises Invalid for what a type alone cannot say."""
        if self.metadata is not UNSET:
            metadata.checked(self.metadata)
        if self.expires_at:
            self.expires_at = _within_reason(self.expires_at)
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not UNSET}


def _within_reason(moment: datetime) -> datetime:
    """In UTC, as everybody is told of it. Raises Invalid."""
    if not abs(moment - now()) < MAX_LIFETIME:
        raise Invalid("must be within 100 years", field="expires_at")
    return moment.astimezone(UTC)


def _in_the_future(moment: datetime | None) -> datetime | None:
    """In UTC, as everybody is told of it. Raises Invalid."""
    if moment is None:
        return None
    if not timedelta(0) < moment - now() < MAX_LIFETIME:
        raise Invalid("must be in the future, within 100 years", field="expires_at")
    return moment.astimezone(UTC)
