"""All concepts' events: whoever reads the catalogue through here has them all."""

from domain.accounts import events as accounts
from domain.event import CATALOGUE, Event
from domain.files import events as files
from domain.leftovers import events as leftovers
from domain.schedule import events as schedule

STREAMS = (accounts.STREAM, files.STREAM, leftovers.STREAM, schedule.STREAM)

EXTERNAL = frozenset(
    {
        "account.verified",
        "file.indexed",
        "file.share_revoked",
        "file.downloaded",
        "file.deleted",
        "storage.object_removed",
        "storage.upload_aborted",
    }
)
"""Events that no consumer of ours handles: they are for subscribers. Every other one must have a consumer."""

__all__ = ["CATALOGUE", "EXTERNAL", "STREAMS", "Event"]
