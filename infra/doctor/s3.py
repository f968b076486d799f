"""S3: everything that Waybill does with it is done once, under a key of the doctor's own."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import uuid4

import aiohttp

from infra.doctor.line import Line, fail, looked_at, ok, warn
from infra.settings import Settings
from infra.storage import Storage

PART = "s3"
BODY = b"waybill doctor"
MOST_SKEW_SECONDS, REFUSED_SKEW_SECONDS = 60.0, 900.0
URL_SECONDS = 60


async def s3(settings: Settings) -> list[Line]:
    async with Storage.connect(settings) as storage:
        lines = await looked_at(PART, _bucket(storage), todo="create the bucket, or mend its name, address or keys")
        if any(line.todo for line in lines):
            return lines
        for step, todo in STEPS.items():
            lines += await looked_at(PART, step(storage), todo=todo)
        return lines


async def _bucket(storage: Storage) -> list[Line]:
    await storage.ping()
    return [ok(PART, f"bucket {storage.bucket}")]


async def _put_and_get(storage: Storage) -> list[Line]:
    key = _key()
    try:
        await storage.put(key, BODY, content_type="text/plain")
        read = b"".join([chunk async for chunk in storage.read(key)])
    finally:
        await storage.delete(key)
    if read != BODY:
        return [fail(PART, "what was put is not what is read", "look at what stands between us and S3")]
    return [ok(PART, "put, get and delete")]


async def _multipart(storage: Storage) -> list[Line]:
    key = _key()
    upload_id = await storage.start_multipart(key, content_type="text/plain")
    try:
        await storage.put_part(key, upload_id, 1, BODY)
        await storage.complete_multipart(key, upload_id, await storage.parts(key, upload_id))
    finally:
        await storage.abort_multipart(key, upload_id)
        await storage.delete(key)
    return [ok(PART, "multipart uploads, with their parts listed")]


async def _presigned(storage: Storage) -> list[Line]:
    """As a client would: at the address that clients are given."""
    key = _key()
    put = await storage.url_to_put(key, expires_in=URL_SECONDS)
    get = await storage.url_to_get(key, disposition="inline", content_type="text/plain", expires_in=URL_SECONDS)
    try:
        async with aiohttp.ClientSession() as http:
            written = await http.put(put, data=BODY)
            answer = await http.get(get)
            read = await answer.read()
    finally:
        await storage.delete(key)
    if written.status != OK or read != BODY:
        said = f"presigned URLs are refused: {written.status} and {answer.status}"
        return [fail(PART, said, "let WAYBILL_S3_PUBLIC_ENDPOINT_URL lead to the same S3, with the same Host")]
    return [ok(PART, "presigned URLs, at the address that clients are given"), _clock(answer.headers.get("Date"))]


OK = 200
STEPS: dict[Callable[[Storage], Awaitable[list[Line]]], str] = {
    _put_and_get: "allow s3:PutObject, s3:GetObject and s3:DeleteObject on the bucket",
    _multipart: "allow s3:AbortMultipartUpload and s3:ListMultipartUploadParts on the bucket",
    _presigned: "let WAYBILL_S3_PUBLIC_ENDPOINT_URL be reached from here too, or look from a client's place",
}


def _clock(date: Any) -> Line:
    if date is None:
        return warn(PART, "it does not say what time it is", "see that its clock is right")
    skew = abs((datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds())
    said = f"its clock and ours are {skew:.0f} s apart"
    if skew > REFUSED_SKEW_SECONDS:
        return fail(PART, said, "run NTP: S3 refuses what was signed 15 minutes off")
    return warn(PART, said, "run NTP on both machines") if skew > MOST_SKEW_SECONDS else ok(PART, said)


def _key() -> str:
    return f"doctor/{uuid4()}"
