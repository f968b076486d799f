"""Presigned URLs of one bucket: AWS Signature Version 4 in the query, for whoever has the URL alone.

botocore evaluates its rules for endpoints anew for each key, which takes longer than all the rest of a small request.
Here it is asked once where the bucket is, and for its credentials, which it may renew, each time.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True)
class Signer:
    """`base` is the bucket's address, to which a key is appended; `credentials` are aiobotocore's."""

    base: str
    region: str
    credentials: Any

    @classmethod
    def imitating(cls, url: str, key: str, credentials: Any) -> "Signer":
        """A presigned URL of botocore's for this key says where the bucket is."""
        scope = parse_qs(urlsplit(url).query)["X-Amz-Credential"][0]
        return cls(url.partition("?")[0].removesuffix(key), scope.split("/")[2], credentials)

    async def url(self, method: str, key: str, query: Mapping[str, str], *, expires_in: int) -> str:
        """`expires_in` in seconds."""
        frozen = await self.credentials.get_frozen_credentials()
        return self.signed(frozen, method, key, query, expires_in=expires_in, moment=datetime.now(UTC))

    def signed(
        self, frozen: Any, method: str, key: str, query: Mapping[str, str], *, expires_in: int, moment: datetime
    ) -> str:
        where, stamp = urlsplit(self.base + quote(key, safe="/~")), f"{moment:%Y%m%dT%H%M%SZ}"
        scope = f"{stamp[:8]}/{self.region}/s3/aws4_request"
        asked = {
            **query,
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": f"{frozen.access_key}/{scope}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(expires_in),
            "X-Amz-SignedHeaders": "host",
        }
        if frozen.token:
            asked["X-Amz-Security-Token"] = frozen.token
        text = "&".join(sorted(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in asked.items()))
        host = where.netloc.removesuffix(DEFAULT_PORTS[where.scheme])
        request = f"{method}\n{where.path}\n{text}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
        to_sign = f"{ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = _hmac(_key(frozen.secret_key, stamp[:8], self.region), to_sign).hex()
        return f"{where.scheme}://{where.netloc}{where.path}?{text}&X-Amz-Signature={signature}"


@lru_cache(maxsize=4)
def _key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
