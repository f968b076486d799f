"""What an upload that failed has left behind."""

from typing import Any

from botocore.exceptions import ClientError

from domain.aggregate import new_id
from infra.storage import Storage
from tests.database import Database


class Leftovers:
    """Looks only at what came after it was made: the bucket is shared by a whole run of tests."""

    def __init__(self, database: Database, storage: Storage) -> None:
        self._database, self._storage = database, storage
        self._since = f"files/{new_id()}"

    async def found(self) -> list[Any]:
        """Rows of files and events, objects, and multipart uploads begun."""
        rows = await self._database.rows("SELECT id::text FROM files UNION ALL SELECT event_id::text FROM outbox")
        return [*rows, *await self.objects(), *await self._uploads()]

    async def objects(self) -> list[str]:
        client, bucket = self._storage.client, self._storage.bucket
        page = await client.list_objects_v2(Bucket=bucket, Prefix="files/", StartAfter=self._since)
        return [each["Key"] for each in page.get("Contents", ())]

    async def _uploads(self) -> list[str]:
        try:
            page = await self._storage.client.list_multipart_uploads(Bucket=self._storage.bucket)
        except ClientError as error:  # rclone's way to say that there is none
            assert error.response["Error"]["Code"] == "NoSuchUpload"  # noqa: PT017
            return []
        return [each["Key"] for each in page.get("Uploads", ()) if each["Key"] > self._since]
