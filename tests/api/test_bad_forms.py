"""Whatever comes instead of an upload form is refused, and leaves neither a row nor an object."""

from collections.abc import AsyncIterator

from infra.storage import Storage
from tests.api.conftest import Client
from tests.api.leftovers import Leftovers
from tests.api.matrix import assert_problem
from tests.database import Database

FORM = {"Content-Type": "multipart/form-data; boundary=b"}
FILE = b'name="file"; filename="a"'


def part(disposition: bytes, value: bytes = b"x", more: bytes = b"") -> bytes:
    return b"--b\r\nContent-Disposition: form-data; " + disposition + more + b"\r\n\r\n" + value + b"\r\n"


def field(name: bytes, value: bytes) -> bytes:
    return part(FILE) + part(b'name="' + name + b'"', value) + END


END = b"--b--\r\n"
TYPE = b"\r\nContent-Type: "
MALFORMED = {
    "empty": b"",
    "other bytes": b"xxxx" * 1000,
    "truncated in the file": part(FILE)[:-2],
    "truncated at the end": part(FILE),
    "bare line feeds": (part(FILE) + END).replace(b"\r\n", b"\n"),
    "no name": part(b"x=1") + END,
    "not form-data": part(FILE).replace(b"form-data", b"attachment") + END,
    "no disposition": b"--b\r\nX: y\r\n\r\nx\r\n" + END,
    "a name that is not UTF-8": part(b'name="file"; filename="\xff"') + END,
    "a wrong length": part(FILE, more=b"\r\nContent-Length: 2") + END,
}
TOO_LARGE = {
    "fields": part(FILE) + part(b'name="tags"', b"a") * 1000 + END,
    "headers": part(FILE, more=b"\r\nX: y" * 20) + END,
    "header": part(FILE, more=b"\r\nX: " + b"y" * 9000) + END,
}
INVALID = {
    "file": part(b'name="x"') + END,
    "file twice": part(FILE) * 2 + END,
    "file without a filename": part(b'name="file"') + END,
    "file in nothing": END,
    "name empty": part(b'name="file"; filename=""') + END,
    "name with a slash": part(b'name="file"; filename="a/b"') + END,
    "name of nul": part(b'name="file"; filename="a\0"') + END,
    "name too long": part(b'name="file"; filename="' + b"a" * 256 + b'"') + END,
    "content_type odd": part(FILE, more=TYPE + "日/本".encode()) + END,
    "content_type of a large file": part(FILE, b"x" * 9_000_000, TYPE + "日/本".encode()) + END,
    "content_type none": part(FILE, more=TYPE + b"x") + END,
    "zzz unknown": field(b"zzz", b"x"),
    "size unknown": field(b"size", b"1"),
    "tags too large": field(b"tags", b"x" * 70_000),
    "tags of nul": field(b"tags", b"\0"),
    "tags empty": field(b"tags", b""),
    "sha256 not UTF-8": field(b"sha256", b"\xff"),
    "sha256 wrong": field(b"sha256", b"x"),
    "sha256 twice": part(FILE) + part(b'name="sha256"', b"0" * 64) * 2 + END,
    "metadata not JSON": field(b"metadata", b"{"),
    "metadata list": field(b"metadata", b"[1]"),
    "metadata deep": field(b"metadata", b'{"a":' * 10_000),
    "metadata nested": field(b"metadata", b'{"a":' * 100 + b"1" + b"}" * 100),
    "metadata of nul": field(b"metadata", b'{"a": "\\u0000"}'),
    "metadata of a surrogate": field(b"metadata", b'{"a": "\\ud800"}'),
    "metadata of a huge number": field(b"metadata", b'{"a": ' + b"9" * 5000 + b"}"),
    "expires_at word": field(b"expires_at", b"x"),
    "expires_at past": field(b"expires_at", b"2020-01-01T00:00:00Z"),
    "expires_at huge": field(b"expires_at", b"9" * 30),
    "expires_at nan": field(b"expires_at", b"nan"),
    "expires_in zero": field(b"expires_in", b"0"),
    "expires_in huge": field(b"expires_in", b"9" * 30),
    "form of both": part(b'name="expires_in"', b"9") + field(b"expires_at", b"2100-01-01T00:00:00Z"),
}


async def test_a_malformed_form_cannot_be_parsed(client: Client, database: Database, storage: Storage) -> None:
    leftovers = Leftovers(database, storage)
    for label, body in MALFORMED.items():
        response = await client.post("/v1/files", content=body, headers=FORM)
        assert response.status_code == 400, (label, response.text)
        assert_problem(response, 400, "bad-form")
    assert await leftovers.found() == []


async def test_too_much_of_anything_is_too_large(client: Client, database: Database, storage: Storage) -> None:
    leftovers = Leftovers(database, storage)
    for label, body in TOO_LARGE.items():
        response = await client.post("/v1/files", content=body, headers=FORM)
        assert response.status_code == 413, (label, response.text)
        assert_problem(response, 413, "too-large")
    assert await leftovers.found() == []


async def test_an_invalid_field_is_named(client: Client, database: Database, storage: Storage) -> None:
    leftovers = Leftovers(database, storage)
    for label, body in INVALID.items():
        response = await client.post("/v1/files", content=body, headers=FORM)
        assert response.status_code == 422, (label, response.text)
        assert assert_problem(response, 422)["errors"][0]["field"].partition("[")[0] == label.partition(" ")[0]
    assert await leftovers.found() == []


async def test_a_form_needs_a_boundary(client: Client) -> None:
    for boundary in (b"", b"; boundary=", b"; boundary=\xe9", b"; boundary=" + b"b" * 71):
        headers = {"Content-Type": b"multipart/form-data" + boundary}
        assert_problem(await client.post("/v1/files", content=part(FILE) + END, headers=headers), 400, "bad-form")


async def test_another_media_type_is_not_taken(client: Client) -> None:
    for media_type in ("", "application/json", "application/x-www-form-urlencoded", "multipart/mixed; boundary=b"):
        response = await client.post("/v1/files", content=part(FILE) + END, headers={"Content-Type": media_type})
        assert_problem(response, 415, "unsupported-media-type")


async def test_a_form_may_come_byte_by_byte(client: Client) -> None:
    body = part(FILE, b"abc") + END + b"and more"

    async def bytewise() -> AsyncIterator[bytes]:
        for index in range(len(body)):
            yield body[index : index + 1]

    response = await client.post("/v1/files", content=bytewise(), headers=FORM)

    assert (response.status_code, response.json()["size"]) == (202, 3)
