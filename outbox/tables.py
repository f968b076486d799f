"""Every table there is: whoever opens a session or migrates must know them all, since they refer to each other."""

import outbox.command_log
import outbox.delivery
import outbox.message  # noqa: F401
from domain.aggregate import Base

METADATA = Base.metadata
