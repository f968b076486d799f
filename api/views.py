"""What goes in and out as JSON: requests are checked here, at the edge, and responses have the contract's fields."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Self
from uuid import UUID

import msgspec
from msgspec import Meta

from domain.accounts.passwords import MAX_LENGTH, MIN_LENGTH
from domain.aggregate import now
from domain.errors import Invalid
from domain.files.model import File, Status
from domain.files.parts import MAX_OBJECT_SIZE
from domain.files.promise import Promise
from domain.files.search import texts

MAX_METADATA_SIZE = 16 * 1024
MAX_TAGS = 50
MAX_LIFETIME = timedelta(days=36_500)

FileName = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f/\\]+$")]
"""No control characters and no slashes: nobody's download lands in another folder."""
Tag = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
ContentType = Annotated[str, Meta(max_length=255, pattern=r"^[\w!#$&^.+-]+/[\w!#$&^.+-]+(\s*;.{0,100})?$")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{64}$")]
Moment = Annotated[datetime, Meta(tz=True)]
Email = Annotated[
    str, Meta(max_length=254, pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+\.[^@\s\x00-\x1f\x7f]+$")
]
Password = Annotated[str, Meta(min_length=MIN_LENGTH, max_length=MAX_LENGTH)]
PersonName = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Request(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A body; a field that we do not know is a mistake, not a detail."""


class Registration(Request):
    email: Email
    password: Password
    name: PersonName | None = None


class Login(Request):
    email: Annotated[str, Meta(max_length=254)]
    password: Annotated[str, Meta(max_length=MAX_LENGTH)]


class FileFields(Request):
    """What a client may say of a file, however its bytes come."""

    name: FileName
    content_type: ContentType = "application/octet-stream"
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
            metadata=_checked_metadata(self.metadata),
            expires_at=_in_the_future(self.expires_at),
        )


class NewUpload(FileFields, kw_only=True):
    size: Annotated[int, Meta(ge=0, le=MAX_OBJECT_SIZE)]


class FormFields(FileFields):
    """The fields of an upload form."""

    expires_in: Annotated[int, Meta(gt=0, le=int(MAX_LIFETIME.total_seconds()))] | None = None
    """Seconds."""

    def __post_init__(self) -> None:
        if self.expires_in is not None:
            if self.expires_at is not None:
                raise ValueError("give expires_at or expires_in, not both")
            self.expires_at = now() + timedelta(seconds=self.expires_in)


class AccountView(msgspec.Struct):
    id: UUID
    email: str
    name: str | None
    verified: bool
    created_at: datetime


class SessionView(msgspec.Struct):
    session_id: UUID
    access_token: str
    access_token_expires_at: datetime


class Location(msgspec.Struct):
    bucket: str
    key: str


class FileView(msgspec.Struct):
    id: UUID
    name: str
    size: int
    content_type: str
    sha256: str | None
    status: str
    tags: list[str]
    metadata: dict[str, Any]
    version: int
    owner_id: UUID
    location: Location
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    rejected_reason: str | None

    @classmethod
    def of(cls, file: File) -> Self:
        over = file.status == Status.AVAILABLE and file.is_over
        return cls(
            id=file.id,
            name=file.name,
            size=file.size,
            content_type=file.content_type,
            sha256=file.sha256,
            status=Status.EXPIRED if over else file.status,
            tags=file.tags,
            metadata=file.details,
            version=file.version,
            owner_id=file.owner_id,
            location=Location(file.bucket, file.key),
            created_at=file.created_at,
            updated_at=file.updated_at,
            expires_at=file.expires_at,
            rejected_reason=file.rejected_reason,
        )


class FilePage(msgspec.Struct):
    items: list[FileView]
    next_cursor: str | None


class PartView(msgspec.Struct):
    number: int
    size: int
    url: str


class UploadView(msgspec.Struct):
    id: UUID
    part_size: int
    parts: list[PartView]
    expires_at: datetime


class StartedUpload(msgspec.Struct):
    file: FileView
    upload: UploadView


class CloudEventView(msgspec.Struct, omit_defaults=True):
    specversion: str
    id: UUID
    source: str
    type: str
    subject: UUID
    time: datetime
    datacontenttype: str
    sequence: str
    partitionkey: str
    data: msgspec.Raw
    traceparent: str | None = None


class EventPage(msgspec.Struct):
    items: list[CloudEventView]
    next_cursor: str | None


def _checked_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    if len(msgspec.json.encode(metadata)) > MAX_METADATA_SIZE:
        raise Invalid(f"longer than {MAX_METADATA_SIZE} bytes", field="metadata")
    if any("\0" in each for each in texts(metadata)):
        raise Invalid("must not contain the character U+0000", field="metadata")
    return metadata


def _in_the_future(moment: datetime | None) -> datetime | None:
    if moment is not None and not timedelta(0) < moment - now() < MAX_LIFETIME:
        raise Invalid("must be in the future, within 100 years", field="expires_at")
    return moment
