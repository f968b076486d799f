"""S3, through the one client of this process. Every call either works or raises StorageError or ObjectMissing."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Self

import aioboto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.metrics import S3_SECONDS, timed
from infra.presigned import Signer
from infra.settings import Settings

MISSING = frozenset({"404", "NoSuchKey", "NoSuchUpload", "NotFound"})


class StorageError(Exception):
    """S3 did not do what was asked; trying again later may help."""


class ObjectMissing(StorageError):
    """There is no such object or upload."""


PAGE = 1000
"""Objects in one listing; S3 gives no more."""


@dataclass(frozen=True)
class Part:
    """A part that S3 has received; `size` in bytes."""

    number: int
    size: int
    etag: str


@dataclass(frozen=True)
class Object:
    """What a listing says of an object; `size` in bytes."""

    key: str
    size: int
    modified_at: datetime
    """Of what came in parts it may be when the first of them was promised: so it is at AWS."""


@dataclass(frozen=True)
class Unfinished:
    """A multipart upload that is neither completed nor aborted."""

    key: str
    upload_id: str
    begun_at: datetime


@dataclass(frozen=True)
class Storage:
    """One bucket. `public` signs URLs for the host under which clients reach S3."""

    client: Any
    public: Any
    bucket: str
    _signers: list[Signer] = field(default_factory=list)
    """One, once it is needed: until then nobody asks for credentials."""

    @classmethod
    @asynccontextmanager
    async def connect(cls, settings: Settings) -> AsyncIterator[Self]:
        """The bucket of these settings, for as long as the context lasts."""
        inside, outside = settings.s3_endpoint_url, settings.s3_browser_endpoint_url
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(_client(inside))
            public = client if outside == inside else await stack.enter_async_context(_client(outside))
            yield cls(client, public, settings.s3_bucket)

    async def put(self, key: str, body: bytes, *, content_type: str) -> None:
        with _s3_call("put"):
            await self.client.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type)

    async def size(self, key: str) -> int:
        """Bytes. Raises ObjectMissing."""
        with _s3_call("size"):
            head = await self.client.head_object(Bucket=self.bucket, Key=key)
        return int(head["ContentLength"])

    async def read(self, key: str, *, chunk_size: int = 1024 * 1024) -> AsyncIterator[bytes]:
        """The bytes of an object, a chunk at a time. Raises ObjectMissing."""
        with _s3_call("read"):
            answer = await self.client.get_object(Bucket=self.bucket, Key=key)
            async with answer["Body"] as body:
                async for chunk in body.content.iter_chunked(chunk_size):
                    yield chunk

    async def read_start(self, key: str, length: int) -> bytes:
        """The first `length` bytes at most, of an object that is not empty. Raises ObjectMissing."""
        with _s3_call("read_start"):
            answer = await self.client.get_object(Bucket=self.bucket, Key=key, Range=f"bytes=0-{length - 1}")
            async with answer["Body"] as body:
                return bytes(await body.read())

    async def copy(self, source: str, target: str) -> None:
        """Inside the bucket, at most 5 GiB. Raises ObjectMissing."""
        with _s3_call("copy"):
            origin = {"Bucket": self.bucket, "Key": source}
            await self.client.copy_object(Bucket=self.bucket, Key=target, CopySource=origin)

    async def delete(self, key: str) -> None:
        """Done also when there is nothing to delete."""
        with _s3_call("delete"):
            await self.client.delete_object(Bucket=self.bucket, Key=key)

    async def start_multipart(self, key: str, *, content_type: str) -> str:
        """Returns S3's id of the upload."""
        with _s3_call("start_multipart"):
            started = await self.client.create_multipart_upload(Bucket=self.bucket, Key=key, ContentType=content_type)
        return str(started["UploadId"])

    async def put_part(self, key: str, upload_id: str, number: int, body: bytes) -> Part:
        with _s3_call("put_part"):
            answer = await self.client.upload_part(
                Bucket=self.bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=body
            )
        return Part(number, len(body), answer["ETag"])

    async def parts(self, key: str, upload_id: str) -> list[Part]:
        """The parts that S3 has received, in order. Raises ObjectMissing where the upload has ended."""
        found: list[Part] = []
        with _s3_call("parts"):
            pages = self.client.get_paginator("list_parts").paginate(Bucket=self.bucket, Key=key, UploadId=upload_id)
            async for page in pages:
                found += [Part(part["PartNumber"], part["Size"], part["ETag"]) for part in page.get("Parts", ())]
        return found

    async def has_multipart(self, key: str, upload_id: str) -> bool:
        """Whether parts of this upload are still taken."""
        try:
            with _s3_call("has_multipart"):
                await self.client.list_parts(Bucket=self.bucket, Key=key, UploadId=upload_id, MaxParts=1)
        except ObjectMissing:
            return False
        return True

    async def complete_multipart(self, key: str, upload_id: str, parts: Iterable[Part]) -> None:
        """Raises ObjectMissing where the upload has ended already: some servers say so, some do nothing."""
        listed = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
        with _s3_call("complete_multipart"):
            await self.client.complete_multipart_upload(
                Bucket=self.bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": listed}
            )

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        """Done also when the upload has ended already."""
        try:
            with _s3_call("abort_multipart"):
                await self.client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
        except ObjectMissing:
            return

    async def objects(self, prefix: str, *, after: str = "") -> tuple[list[Object], bool]:
        """The next page of objects behind a key, in the order of their keys, and whether there are more."""
        asked = {"Bucket": self.bucket, "Prefix": prefix, "StartAfter": after, "MaxKeys": PAGE}
        with _s3_call("objects"):
            page = await self.client.list_objects_v2(**asked)
        found = [Object(each["Key"], each["Size"], each["LastModified"]) for each in page.get("Contents", ())]
        return found, bool(page["IsTruncated"])

    async def unfinished(self, prefix: str) -> AsyncIterator[list[Unfinished]]:
        """The multipart uploads that have not ended, a page at a time."""
        # So say some servers of a bucket that has none.
        with suppress(ObjectMissing), _s3_call("unfinished"):
            pages = self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=prefix)
            async for page in pages:
                uploads = page.get("Uploads", ())
                yield [Unfinished(each["Key"], each["UploadId"], each["Initiated"]) for each in uploads]

    async def last_part_at(self, key: str, upload_id: str) -> datetime | None:
        """When S3 last received one; None where it has none. Raises ObjectMissing where the upload has ended."""
        times: list[datetime] = []
        with _s3_call("last_part_at"):
            pages = self.client.get_paginator("list_parts").paginate(Bucket=self.bucket, Key=key, UploadId=upload_id)
            async for page in pages:
                times += [part["LastModified"] for part in page.get("Parts", ())]
        return max(times, default=None)

    async def url_to_put(self, key: str, *, expires_in: int) -> str:
        """A URL with which anybody can write this object; `expires_in` in seconds."""
        return await self._url("PUT", key, {}, expires_in)

    async def url_to_put_part(self, key: str, upload_id: str, number: int, *, expires_in: int) -> str:
        return await self._url("PUT", key, {"partNumber": str(number), "uploadId": upload_id}, expires_in)

    async def url_to_get(self, key: str, *, disposition: str, content_type: str, expires_in: int) -> str:
        """A URL that answers with these headers; `expires_in` in seconds."""
        return await self._url_to_read("GET", key, disposition, content_type, expires_in)

    async def url_to_head(self, key: str, *, disposition: str, content_type: str, expires_in: int) -> str:
        """A presigned URL is good for one method: whoever asks with HEAD needs this one."""
        return await self._url_to_read("HEAD", key, disposition, content_type, expires_in)

    async def ping(self) -> None:
        """Raises StorageError also where the bucket is not there."""
        try:
            with _s3_call("ping"):
                await self.client.head_bucket(Bucket=self.bucket)
        except ObjectMissing as error:
            raise StorageError(f"there is no bucket {self.bucket}") from error

    async def _url_to_read(self, method: str, key: str, disposition: str, content_type: str, expires_in: int) -> str:
        query = {"response-content-disposition": disposition, "response-content-type": content_type}
        return await self._url(method, key, query, expires_in)

    async def _url(self, method: str, key: str, query: Mapping[str, str], expires_in: int) -> str:
        if not self._signers:
            self._signers.append(await self._signer())
        return await self._signers[0].url(method, key, query, expires_in=expires_in)

    async def _signer(self) -> Signer:
        url = await self.public.generate_presigned_url("get_object", Params={"Bucket": self.bucket, "Key": "key"})
        return Signer.imitating(url, "key", await _session().get_credentials())


@cache
def _session() -> aioboto3.Session:
    """One a process: it reads the credentials, and the long description of S3's API, once."""
    return aioboto3.Session()


def _client(endpoint_url: str | None) -> AbstractAsyncContextManager[Any]:
    is_plain = endpoint_url is not None and endpoint_url.startswith("http://")
    client: AbstractAsyncContextManager[Any] = _session().client(
        "s3",
        endpoint_url=endpoint_url,
        verify=False if is_plain else None,  # to load certificates that nobody shows takes longer than all the rest
        config=_config(endpoint_url),
    )
    return client


def _config(endpoint_url: str | None) -> Config:
    return Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if endpoint_url else "auto"},
        request_checksum_calculation="when_required",  # the default adds trailers that S3 look-alikes refuse
        response_checksum_validation="when_required",
        connect_timeout=5,
        read_timeout=20,
        retries={"max_attempts": 2, "mode": "standard"},
        max_pool_connections=64,
    )


@contextmanager
def _s3_call(operation: str) -> Iterator[None]:
    """Counted and timed; what goes wrong inside is told in our own words."""
    with timed(S3_SECONDS, operation, well="ok", otherwise="failed") as call:
        try:
            with _s3_errors():
                yield
        except ObjectMissing:
            call.outcome = "missing"
            raise


@contextmanager
def _s3_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise (ObjectMissing if code in MISSING else StorageError)(f"{error.operation_name}: {code}") from error
    except (BotoCoreError, OSError, TimeoutError) as error:
        raise StorageError(f"S3 is out of reach: {type(error).__name__}") from error
