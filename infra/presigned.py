"""Presigned URLs of one bucket, for whoever has the URL alone.

botocore's client evaluates its rules for endpoints anew for each key, which takes longer than all the rest of a small
request. Here it is asked once where the bucket is, and its signer alone, with credentials that it may renew, each time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest


@dataclass(frozen=True)
class Signer:
    """`base` is the bucket's address, to which a key is appended; `credentials` are aiobotocore's."""

    base: str
    region: str
    credentials: Any

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """What is signed; without them botocore parses the whole address each time, a third of what a URL costs."""
        request = AWSRequest(method="GET", url=self.base)
        return dict(S3SigV4QueryAuth(None, "s3", self.region).headers_to_sign(request))

    @classmethod
    def imitating(cls, url: str, key: str, credentials: Any) -> "Signer":
        """A presigned URL of botocore's for this key says where the bucket is."""
        scope = parse_qs(urlsplit(url).query)["X-Amz-Credential"][0]
        return cls(url.partition("?")[0].removesuffix(key), scope.split("/")[2], credentials)

    async def url(self, method: str, key: str, query: Mapping[str, str], *, expires_in: int) -> str:
        """`expires_in` in seconds."""
        return self.signed(await self.credentials.get_frozen_credentials(), method, key, query, expires_in=expires_in)

    def signed(self, frozen: Any, method: str, key: str, query: Mapping[str, str], *, expires_in: int) -> str:
        text = urlencode(query, quote_via=quote, safe="")
        url = f"{self.base}{quote(key, safe='/~')}?{text}"
        request = AWSRequest(method=method, url=url, headers=self.headers)
        S3SigV4QueryAuth(frozen, "s3", self.region, expires=expires_in).add_auth(request)
        return str(request.url)
