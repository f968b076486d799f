"""What has arrived in the Maildir of the stack."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

TOKEN = re.compile(r"^    ([A-Za-z0-9_-]{43})$", re.MULTILINE)


def mails_to(maildir: Path, address: str) -> list[EmailMessage]:
    """Oldest first. The sink notes the envelope's recipient in a header of its own."""
    files = sorted((maildir / "new").iterdir(), key=lambda file: file.stat().st_mtime_ns)
    mails = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]
    return [mail for mail in mails if mail["X-RcptTo"] == address]


def text(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part is not None
    content: str = part.get_content()
    return content


def token(mail: EmailMessage) -> str:
    (found,) = TOKEN.findall(text(mail))
    return str(found)
