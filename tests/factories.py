"""Aggregates and events to test with, valid unless told otherwise."""

from datetime import datetime
from typing import Any
from uuid import UUID

from domain.accounts.model import Account
from domain.aggregate import new_id, now
from domain.files.events import FileAvailable, FileUploaded
from domain.files.model import File
from domain.files.promise import Place, Promise, incoming_key, object_key


def an_account(**overrides: Any) -> Account:
    values: dict[str, Any] = {
        "id": new_id(),
        "email": f"{new_id().hex}@example.com",
        "name": None,
        "password_hash": "",
        "created_at": now(),
    }
    return Account(**values | overrides)


def a_pending_file(
    *,
    owner_id: UUID,
    upload_id: str | None = None,
    part_size: int | None = None,
    is_within_reach: bool = True,
    open_until: datetime | None = None,
    **promise: Any,
) -> File:
    """By default one that a client writes with one presigned PUT."""
    values: dict[str, Any] = {"name": "report.pdf", "size": 3, "content_type": "application/pdf"} | promise
    file_id = new_id()
    key = incoming_key(file_id) if is_within_reach and upload_id is None else object_key(file_id)
    place = Place(
        file_id=file_id, bucket="waybill", key=key, upload_id=upload_id, part_size=part_size, open_until=open_until
    )
    return File.promised(Promise(**values), owner_id=owner_id, place=place)


def a_processing_file(*, received_sha256: str | None = None, **values: Any) -> File:
    file = a_pending_file(is_within_reach=received_sha256 is None, **values)
    file.bytes_arrived(received_sha256=received_sha256)
    return file


def an_available_file(*, content_type: str = "application/pdf", **values: Any) -> File:
    file = a_processing_file(content_type=content_type, **values)
    file.moved_to(object_key(file.id, attempt=new_id()))
    file.verified(sha256=file.sha256 or "0" * 64, content_type=content_type)
    return file


def a_file_uploaded(**overrides: Any) -> FileUploaded:
    return FileUploaded(**_of_a_file() | overrides)


def a_file_available(**overrides: Any) -> FileAvailable:
    return FileAvailable(**_of_a_file() | {"sha256": "0" * 64} | overrides)


def _of_a_file() -> dict[str, Any]:
    return {
        "file_id": new_id(),
        "owner_id": new_id(),
        "name": "report.pdf",
        "size": 3,
        "content_type": "application/pdf",
        "sha256": None,
        "version": 2,
    }
