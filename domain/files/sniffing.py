"""What bytes are, whatever is said of them. A claim stands unless they contradict it; programs and pages always do."""

import codecs
import mimetypes
import re

import puremagic

UNKNOWN = "application/octet-stream"
HTML, SVG, XHTML, ZIP = "text/html", "image/svg+xml", "application/xhtml+xml", "application/zip"
PROGRAMS = {
    b"\x7fELF": "application/x-executable",
    b"\xfe\xed\xfa\xce": "application/x-mach-binary",
    b"\xfe\xed\xfa\xcf": "application/x-mach-binary",
    b"\xce\xfa\xed\xfe": "application/x-mach-binary",
    b"\xcf\xfa\xed\xfe": "application/x-mach-binary",
    b"\xca\xfe\xba\xbe": "application/java-vm",
    b"\0asm": "application/wasm",
    b"L\0\0\0\x01\x14\x02\0": "application/x-ms-shortcut",
}
"""First bytes of what a machine would run: puremagic has no type for most of them, or is not sure."""
WINDOWS_PROGRAM = "application/vnd.microsoft.portable-executable"
_TAGS = rb"!doctype html|html|head|body|script|iframe|h1|div|font|table|a|style|title|br|b|p|img|link|meta|form|base"
_PAGE = re.compile(rb"[\t\n\f\r ]*<(?:!--|(?:" + _TAGS + rb")[\s/>])", re.IGNORECASE)
"""As browsers know a page that does not say that it is one (WHATWG MIME Sniffing, 7.1), and some tags more."""
_XML = re.compile(rb"[\t\n\f\r ]*<(?:\?xml\s|svg[\s>])", re.IGNORECASE)
SURE = 0.3
"""puremagic's confidence in a mark of two bytes is less: `BM` would make a bitmap of a text on cars."""
_TEXTUAL = re.compile(r"text/|message/|application/(json|xml|javascript|x-docbook\+xml)")
_MEDIA = re.compile(r"(image|audio|video|font)/|application/(pdf|zip)")
_ZIPPED = re.compile(r"zip|openxml|opendocument|java-archive|android|macroenabled|/vnd\.ms-")
"""Many formats are archives; which one, the client knows better than the first bytes say."""


def sniffed_type(head: bytes, *, promised: str, name: str) -> str:
    """The type that the bytes show; where they show none, the one promised, or what the name suggests."""
    claim = promised if essence(promised) != UNKNOWN else mimetypes.guess_type(name)[0] or UNKNOWN
    if active := _active(head):
        return claim if essence(claim) == active else active
    found = _found(head)
    if not found or essence(claim) in found:
        return claim
    if head.startswith(b"PK\x03\x04"):
        return claim if _ZIPPED.search(claim) else ZIP
    if _TEXTUAL.match(found[0]) and not _MEDIA.match(claim) and claim != UNKNOWN:
        return claim
    return found[0]


def is_posing(head: bytes, content_type: str) -> bool:
    """Whether it is plain text that is called a picture, a film, a sound or the like."""
    shown = essence(content_type)
    return bool(_MEDIA.match(shown)) and shown != SVG and shown not in _found(head) and _is_text(head)


def essence(content_type: str) -> str:
    """Without parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def _active(head: bytes) -> str | None:
    """What a machine or a browser would run."""
    for mark, content_type in PROGRAMS.items():
        if head.startswith(mark):
            return content_type
    if head.startswith(b"MZ") and b"\0" in head:
        return WINDOWS_PROGRAM
    text = _in_ascii(head)
    if _XML.match(text):
        lower = text.lower()
        return SVG if b"<svg" in lower else XHTML if b"<html" in lower else None
    return HTML if _PAGE.match(text) else None


def _in_ascii(head: bytes) -> bytes:
    """Without a byte order mark, and as good as UTF-8 if it is UTF-16."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", errors="ignore").encode(errors="ignore")
    return head.removeprefix(b"\xef\xbb\xbf")


def _found(head: bytes) -> list[str]:
    """Types that puremagic is sure enough of, the surest first."""
    try:
        matches = puremagic.magic_string(head) if head else []
    except (puremagic.PureError, ValueError):
        return []
    return [match.mime_type for match in matches if match.mime_type and match.confidence >= SURE]


def _is_text(head: bytes) -> bool:
    """UTF-8 without control characters; its end may be cut in the middle of one."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return bool(head) and not any(sign < " " and sign not in "\t\n\f\r" for sign in text)
