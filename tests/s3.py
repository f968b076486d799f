"""Any S3 that we run on: rclone, which is embedded, and moto."""

import logging
from collections.abc import AsyncIterator, Iterator

import pytest
from moto.server import ThreadedMotoServer

from infra.settings import Settings
from infra.storage import Storage


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # moto's own access log tells every presigned URL
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["rclone", "moto"])
async def any_storage(request: pytest.FixtureRequest, settings: Settings, moto: str) -> AsyncIterator[Storage]:
    if request.param == "moto":
        settings = Settings(s3_bucket="waybill", s3_endpoint_url=moto)
    async with Storage.connect(settings) as storage:
        if request.param == "moto":
            await storage.client.create_bucket(Bucket="waybill")
        yield storage
