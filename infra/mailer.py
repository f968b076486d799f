"""Mail by SMTP: one connection for each message, and which refusals are for good."""

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from ipaddress import ip_address
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import aiosmtplib

from infra.metrics import MAIL_SECONDS, timed
from infra.settings import Settings, SettingsError

STEP_SECONDS = 20.0
"""For each answer of the server."""
PERMANENT = range(500, 600)
HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|\[(IPv6:)?[0-9A-Fa-f.:]+\]")
IMPLICIT_TLS_PORT, PLAIN_PORT = 465, 25


class MailError(Exception):
    """The mail was not taken; it may be, later."""


class MailRefused(MailError):
    """The mail will never be taken: its address or the mail itself is refused."""


@dataclass(frozen=True, kw_only=True)
class Mail:
    """What somebody is to read; `id` names the mail for ever, so that a copy of it is known for one."""

    id: str
    to: str
    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class Mailer:
    sender: Address
    server: Mapping[str, Any]
    """For aiosmtplib."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Raises SettingsError."""
        return cls(_sender(settings.mail_from), _server(settings.smtp_url))

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        return _is_here(self.server["hostname"])

    async def send(self, mail: Mail) -> None:
        """Returns once the server has taken it. What is raised repeats nothing that the mail says.

        Raises:
            MailRefused: if it never will.
            MailError: if it does not now.

        """
        with timed(MAIL_SECONDS, well="sent", otherwise="failed") as sending:
            try:
                await self._send(self._message(mail))
            except MailRefused:
                sending.outcome = "refused"
                raise

    async def _send(self, message: EmailMessage) -> None:
        try:
            await aiosmtplib.send(message, **self.server)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _told(error) from None

    def _message(self, mail: Mail) -> EmailMessage:
        """No List-Unsubscribe: these are answers to what somebody has just asked for."""
        message = EmailMessage(policy=SMTP)
        message["From"] = self.sender
        message["To"] = _recipient(mail.to)
        message["Subject"] = " ".join(mail.subject.split())  # on one line: a header cannot begin another
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = f"<{mail.id}@{self.sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        return message


def _server(smtp_url: str) -> dict[str, Any]:
    """For aiosmtplib, which uses STARTTLS where it is offered, and must for credentials. Raises SettingsError."""
    url = urlsplit(smtp_url)
    tls = url.scheme == "smtps"
    try:
        port = url.port or (IMPLICIT_TLS_PORT if tls else PLAIN_PORT)
    except ValueError:
        raise SettingsError("WAYBILL_SMTP_URL: its port is none") from None
    host = url.hostname or "localhost"
    return {
        "hostname": host,
        "port": port,
        "use_tls": tls,
        "start_tls": True if url.username and not tls and not _is_here(host) else None,
        "username": unquote(url.username) if url.username else None,
        "password": unquote(url.password) if url.password else None,
        "local_hostname": socket.gethostname(),  # by default it asks DNS, which may take its time
        "timeout": STEP_SECONDS,
    }


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _sender(text: str) -> Address:
    """Of `Name <user@domain>` or `user@domain`. Raises SettingsError."""
    name, address = parseaddr(text)
    try:
        return _address(address, name)
    except (ValueError, MessageError):
        raise SettingsError("WAYBILL_MAIL_FROM: give an address, as in Waybill <waybill@example.com>") from None


def _recipient(address: str) -> Address:
    """Raises MailRefused."""
    try:
        return _address(address)
    except (ValueError, MessageError):
        raise MailRefused("the address is none that mail can be sent to") from None


def _address(address: str, name: str = "") -> Address:
    """The domain in ASCII: a server need not know more, unless the part before the @ does. Raises ValueError."""
    user, _, domain = address.rpartition("@")
    host = domain.encode("idna").decode()
    if not user or not HOST.fullmatch(host):
        raise ValueError("not an address")
    return Address(name, username=user, domain=host)


def _told(error: Exception) -> MailError:
    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            codes = [each.code for each in error.recipients]
            kind = MailRefused if all(code in PERMANENT for code in codes) else MailError
            return kind(f"the mail server refuses the recipient: {codes}")
        case aiosmtplib.SMTPDataError():
            return (MailRefused if error.code in PERMANENT else MailError)(f"the mail server refuses it: {error.code}")
        case aiosmtplib.SMTPNotSupported():
            return MailRefused("the mail server takes no address that is not ASCII")
        case aiosmtplib.SMTPResponseException():
            return MailError(f"the mail server refuses us: {type(error).__name__} {error.code}")
        case _:
            return MailError(f"the mail server is out of reach: {type(error).__name__}")
