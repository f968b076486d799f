"""`ETag: "<version>"`, and what clients make of it (RFC 9110, section 13)."""

import re

from domain.files.model import File, Status
from domain.files.sight import SeenFile

_TAG = re.compile(r'(W/)?"([!#-~\x80-\xff]*)"')


def etag(file: File | SeenFile) -> str:
    return f'"{file.version}"'


def versions(if_match: str | None) -> frozenset[int] | None:
    """Those that may be changed; None for any. A weak tag never matches, nor does what is no tag of ours."""
    if if_match is None or if_match.strip() == "*":
        return None
    return frozenset(
        int(tag) for weak, tag in _TAG.findall(if_match) if not weak and re.fullmatch("[1-9][0-9]{0,9}", tag)
    )


def is_known(file: File | SeenFile, if_none_match: str | None) -> bool:
    """Whether the client has this very state already. That a file's time ran out does not change its version."""
    if if_none_match is None or (file.status == Status.AVAILABLE and file.is_over):
        return False
    known = (tag for _, tag in _TAG.findall(if_none_match))
    return if_none_match.strip() == "*" or str(file.version) in known
