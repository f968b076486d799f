"""Every table there is: whoever opens a session or migrates must know them all, since they refer to each other."""

from domain.accounts.model import Account
from domain.accounts.one_time import OneTimeToken
from domain.aggregate import Base
from domain.files.model import File
from domain.leftovers.model import Leftover
from domain.service_tokens.model import ServiceToken, SigningKey
from domain.sessions.model import RefreshToken, Session
from domain.shares.model import Share, ShareRecipient, ShareToken
from outbox.command_log import CommandRecord
from outbox.delivery import Delivery
from outbox.message import OutboxMessage
from outbox.replay import Replay
from outbox.subscriptions import Subscription

TABLES = (
    (Account, Session, RefreshToken, OneTimeToken, SigningKey, ServiceToken),
    (File, Leftover, Share, ShareToken, ShareRecipient),
    (OutboxMessage, Delivery, Subscription, CommandRecord, Replay),
)
METADATA = Base.metadata
