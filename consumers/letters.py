"""What mails say: the templates of `mail/`, one of plain text and one of HTML for each kind.

The first line of the text is the subject. No template has what a stranger may have written, such as a name: whoever
registers with somebody else's address would choose what that person reads. Only an invitation has a file's name and a
message, as what somebody wrote.
"""

from pathlib import Path

import jinja2

from domain.files.wording import FILTERS
from infra.mailer import Mail

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "mail"),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
)
TEMPLATES.filters |= FILTERS


def letter(kind: str, *, id_: str, to: str, **values: object) -> Mail:
    """Raises jinja2.UndefinedError where a template wants what is not given."""
    subject, _, text = TEMPLATES.get_template(f"{kind}.txt").render(values).partition("\n\n")
    html = TEMPLATES.get_template(f"{kind}.html").render(values)
    return Mail(id=id_, to=to, subject=subject, text=text + "\n", html=html)
