"""Which types are taken."""

from datetime import timedelta
from uuid import uuid4

from domain.aggregate import now
from domain.files.finalization import Measured, is_allowed, verdict
from domain.files.model import Status
from tests.factories import a_processing_file


def test_allowed_types_are_exact_or_a_whole_family() -> None:
    assert is_allowed("image/png", ())
    assert is_allowed("image/png", ("image/",))
    assert is_allowed("image/png", ("text/plain", "image/png"))
    assert not is_allowed("image/png", ("text/", "image/pn"))
    assert is_allowed("Text/Plain; charset=utf-8", ("text/plain",))


def test_a_file_whose_time_is_over_by_then_expires_at_once() -> None:
    file = a_processing_file(owner_id=uuid4(), expires_at=now() - timedelta(seconds=1))

    verdict(file, Measured(file.key, 3, "0" * 64, b"abc"), max_size=10, allowed_types=())

    assert file.status == Status.EXPIRED
    assert [event.type for event in file.take_events()] == ["file.uploaded", "file.available", "file.expired"]
