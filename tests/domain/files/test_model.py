"""A file changes only in ways that make sense, and tells each of them."""

from datetime import timedelta
from uuid import uuid4

import pytest

from domain.aggregate import now
from domain.files.errors import FileGone, FileNotReady, UploadNotPending
from domain.files.model import RejectedReason, Status
from tests.factories import a_pending_file, a_processing_file, an_available_file

OWNER = uuid4()


def test_each_change_is_told_with_the_version_it_made() -> None:
    file = an_available_file(owner_id=OWNER)
    file.delete()

    assert [(event.type, event.version) for event in file.take_events()] == [  # type: ignore[attr-defined]
        ("file.uploaded", 2),
        ("file.available", 3),
        ("file.delete_requested", 4),
    ]
    assert file.take_events() == []


def test_bytes_arrive_only_once() -> None:
    with pytest.raises(UploadNotPending):
        a_processing_file(owner_id=OWNER).bytes_arrived()


def test_what_is_not_available_has_no_content() -> None:
    with pytest.raises(FileNotReady):
        a_pending_file(owner_id=OWNER).require_content()
    rejected = a_processing_file(owner_id=OWNER)
    rejected.reject(RejectedReason.TOO_LARGE)
    with pytest.raises(FileNotReady):
        rejected.require_content()


def test_what_is_over_or_deleted_is_gone() -> None:
    over = an_available_file(owner_id=OWNER, expires_at=now() - timedelta(seconds=1))
    with pytest.raises(FileGone):
        over.require_content()
    deleted = an_available_file(owner_id=OWNER)
    deleted.delete()
    with pytest.raises(FileGone):
        deleted.require_content()
    assert deleted.status == Status.DELETED
