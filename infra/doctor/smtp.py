"""SMTP: it answers, and takes our credentials. No mail is sent."""

import aiosmtplib

from infra.doctor.line import Line, ok, warn
from infra.mailer import Mailer
from infra.settings import Settings

PART = "smtp"


async def smtp(settings: Settings) -> list[Line]:
    """Raises what aiosmtplib does where the server, or it us, cannot be reached or is refused."""
    mailer = Mailer.of(settings)
    async with aiosmtplib.SMTP(**mailer.server) as client:
        answer = await client.noop()
        lines = [ok(PART, f"it answers: {answer.code}")]
        if client.get_transport_info("sslcontext") is None and not mailer.is_local:
            lines.append(warn(PART, "mail goes out in the clear", "use smtps://, or a server that offers STARTTLS"))
    return lines
