"""What goes out as JSON, with the contract's fields."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from domain.accounts.model import Account
from domain.files.model import File, Status
from domain.files.sight import SeenFile
from domain.service_tokens.model import ServiceToken
from domain.sessions.model import Session
from domain.shares.model import Share, ShareRecipient
from domain.shares.queries import SharedFile


class AccountView(msgspec.Struct):
    id: UUID
    email: str
    name: str | None
    verified: bool
    created_at: datetime

    @classmethod
    def of(cls, account: Account) -> Self:
        return cls(account.id, account.email or "", account.name, account.is_verified, account.created_at)


class StorageView(msgspec.Struct):
    used_bytes: int
    quota_bytes: int
    files: int


class MeView(AccountView):
    storage: StorageView

    @classmethod
    def with_storage(cls, account: Account, storage: StorageView) -> Self:
        email, verified = account.email or "", account.is_verified
        return cls(account.id, email, account.name, verified, account.created_at, storage)


class SessionView(msgspec.Struct):
    session_id: UUID
    access_token: str
    access_token_expires_at: datetime
    refresh_token: str
    refresh_token_expires_at: datetime


class OwnSessionView(msgspec.Struct):
    id: UUID
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    user_agent: str | None
    current: bool

    @classmethod
    def of(cls, session: Session, *, current: bool) -> Self:
        times = (session.created_at, session.refreshed_at, session.expires_at)
        return cls(session.id, *times, session.user_agent, current)


class SessionPage(msgspec.Struct):
    items: list[OwnSessionView]
    next_cursor: str | None


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
    def of(cls, file: File | SeenFile) -> Self:
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


class FreshParts(msgspec.Struct):
    parts: list[PartView]
    expires_at: datetime


class ReceivedPartView(msgspec.Struct):
    number: int
    size: int
    received: bool


class UploadStateView(msgspec.Struct):
    id: UUID
    file: FileView
    part_size: int
    parts: list[ReceivedPartView]
    received_bytes: int
    expires_at: datetime | None
    """Null where the bytes came through us."""


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


class EventFeedPage(EventPage):
    position: str
    """How far was looked: whoever asks again `after` it misses nothing."""


class ServiceTokenView(msgspec.Struct, kw_only=True):
    id: UUID
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None

    @classmethod
    def of(cls, token: ServiceToken, /, **more: Any) -> Self:
        return cls(
            id=token.id,
            name=token.name,
            scopes=token.scopes,
            created_at=token.created_at,
            expires_at=token.expires_at,
            revoked_at=token.revoked_at,
            **more,
        )


class NewServiceTokenView(ServiceTokenView, kw_only=True):
    token: str
    """Shown this once."""


class ServiceTokenPage(msgspec.Struct):
    items: list[ServiceTokenView]
    next_cursor: str | None


class KeyView(msgspec.Struct):
    kid: str
    paserk: str
    created_at: datetime


class KeysView(msgspec.Struct):
    keys: list[KeyView]


class RecipientView(msgspec.Struct):
    email: str
    mailed_at: datetime | None


class ShareView(msgspec.Struct, kw_only=True):
    id: UUID
    file_id: UUID
    created_at: datetime
    expires_at: datetime | None
    max_downloads: int | None
    downloads: int
    password_required: bool
    message: str | None
    recipients: list[RecipientView]
    revoked_at: datetime | None

    @classmethod
    def of(cls, share: Share, recipients: Iterable[ShareRecipient], /, **more: Any) -> Self:
        return cls(
            id=share.id,
            file_id=share.file_id,
            created_at=share.created_at,
            expires_at=share.expires_at,
            max_downloads=share.max_downloads,
            downloads=share.downloads,
            password_required=share.has_password,
            message=share.message,
            recipients=[RecipientView(each.email, each.mailed_at) for each in recipients],
            revoked_at=share.revoked_at,
            **more,
        )


class NewShareView(ShareView, kw_only=True):
    token: str
    """Shown this once."""
    url: str


class UploadedFileView(FileView, kw_only=True):
    share: NewShareView | UnsetType = UNSET
    """Where the headers of a PUT have asked for one."""


class SharePage(msgspec.Struct):
    items: list[ShareView]
    next_cursor: str | None


class SharedFileView(msgspec.Struct):
    """What whoever has a link may know: nothing of the owner."""

    name: str
    size: int
    content_type: str
    status: str
    expires_at: datetime | None
    downloads_left: int | None
    password_required: bool

    @classmethod
    def of(cls, shared: SharedFile) -> Self:
        file, share = shared.file, shared.share
        return cls(
            name=file.name,
            size=file.size,
            content_type=file.content_type,
            status=file.status,
            expires_at=shared.expires_at,
            downloads_left=share.downloads_left,
            password_required=share.has_password,
        )
