"""Type patterns as operators write them: `file.*`, `*.due`. `*` is any text and `?` any character."""

import re


def like(glob: str | None) -> str | None:
    """The SQL LIKE pattern of a glob; None for no pattern."""
    if glob is None:
        return None
    escaped = glob.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")


def pattern(glob: str) -> re.Pattern[str]:
    """What `like` matches in Postgres, here."""
    return re.compile(re.escape(glob).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
