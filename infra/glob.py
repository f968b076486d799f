"""Type patterns as operators write them: `file.*`, `*.due`."""


def like(glob: str | None) -> str | None:
    """The SQL LIKE pattern of a glob in which `*` is any text and `?` any character; None for no pattern."""
    if glob is None:
        return None
    escaped = glob.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")
