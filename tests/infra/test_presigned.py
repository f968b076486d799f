"""Our presigned URLs are botocore's, letter by letter but for the order of what they ask."""

from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aioboto3
import pytest
import time_machine
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials

from infra.presigned import Signer

KEY = "files/a b+c~ü%2F/0"
READ: dict[str, Any] = {
    "ResponseContentDisposition": "attachment; filename*=UTF-8''%C3%BC.pdf",
    "ResponseContentType": "text/plain",
}
READ_QUERY = dict(zip(("response-content-disposition", "response-content-type"), READ.values(), strict=True))
PART: dict[str, Any] = {"UploadId": "a/b+c=", "PartNumber": 7}
CALLS: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "put_object": ("PUT", {}, {}),
    "upload_part": ("PUT", PART, {"partNumber": "7", "uploadId": "a/b+c="}),
    "get_object": ("GET", READ, READ_QUERY),
    "head_object": ("HEAD", READ, READ_QUERY),
}


def asked(url: str) -> tuple[str, dict[str, list[str]]]:
    return url.partition("?")[0], parse_qs(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("token", [None, "a session/token+="])
@pytest.mark.parametrize(
    ("endpoint", "style", "region"),
    [
        ("http://127.0.0.1:9000", "path", "us-east-1"),
        ("https://s3.example.com:443/behind", "path", "eu-central-1"),
        (None, "auto", "us-east-1"),
        (None, "auto", "ap-southeast-2"),
    ],
)
async def test_it_says_what_botocore_says(
    call: str, token: str | None, endpoint: str | None, style: str, region: str
) -> None:
    session = aioboto3.Session("AKID", "secret", token, region)
    config = Config(signature_version="s3v4", s3={"addressing_style": style})
    method, parameters, query = CALLS[call]
    async with session.client("s3", endpoint_url=endpoint, config=config) as client:
        place: dict[str, Any] = {"Bucket": "a-bucket", "Key": "key"}
        signer = Signer.imitating(await client.generate_presigned_url("get_object", Params=place), "key", None)
        theirs = await client.generate_presigned_url(call, Params={**place, "Key": KEY, **parameters}, ExpiresIn=60)

    credentials = ReadOnlyCredentials("AKID", "secret", token)
    with time_machine.travel(datetime.strptime(asked(theirs)[1]["X-Amz-Date"][0], "%Y%m%dT%H%M%S%z"), tick=False):
        ours = signer.signed(credentials, method, KEY, query, expires_in=60)

    assert asked(ours) == asked(theirs)
