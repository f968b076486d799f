"""Every table there is: whoever opens a session or migrates must know them all, since they refer to each other."""

from domain.accounts.model import Account
from domain.aggregate import Base
from domain.files.model import File
from outbox.command_log import CommandRecord
from outbox.delivery import Delivery
from outbox.message import OutboxMessage
from outbox.replay import Replay
from outbox.subscriptions import Subscription

TABLES = (Account, File, OutboxMessage, Delivery, CommandRecord, Replay, Subscription)
METADATA = Base.metadata
