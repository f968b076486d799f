"""All concepts' events, so that whoever reads the catalogue has them all."""

import domain.accounts.events
import domain.files.events
import domain.schedule.events  # noqa: F401
from domain.event import CATALOGUE, streams

__all__ = ["CATALOGUE", "EXTERNAL", "streams"]

EXTERNAL = frozenset({"account.registered", "file.indexed", "file.deleted"})
"""Events that no consumer of ours handles: they are for subscribers. Every other one must have a consumer."""
