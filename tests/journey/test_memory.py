"""A body of any size passes through the API without staying there."""

from collections.abc import AsyncIterator

import psutil
import pytest

from domain.files.parts import MIB
from tests.journey.conftest import House

SIZE = 128 * MIB
"""Four times what it may grow by; 2 GiB grew it by 50 MiB when tried by hand."""


HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="big"\r\n\r\n'
FORM = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.mark.parametrize(
    ("method", "path", "head", "tail"), [("POST", "/v1/files", HEAD, b"\r\n--b--\r\n"), ("PUT", "/u/big", b"", b"")]
)
async def test_a_streamed_upload_grows_the_apis_memory_by_less_than_64_mib(
    method: str, path: str, head: bytes, tail: bytes, house: House
) -> None:
    await house.start("api")
    for _ in range(3):  # imports, pools and caches are not the upload's
        await house.upload("warm.bin", bytes(20 * MIB))
    process = psutil.Process(house.supervisor.pid("api"))
    before = highest = process.memory_info().rss

    async def body() -> AsyncIterator[bytes]:
        nonlocal highest
        yield head
        for _ in range(SIZE // MIB):
            yield bytes(MIB)
            highest = max(highest, process.memory_info().rss)
        yield tail

    response = await house.http.request(method, path, content=body(), headers=FORM)

    assert response.status_code == 202, response.text
    assert response.json()["size"] == SIZE
    assert highest - before < 64 * MIB
