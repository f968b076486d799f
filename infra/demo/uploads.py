"""Steps: bytes go in, through the API or straight to S3."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from infra.demo.outcome import DemoFailed, Done
from infra.demo.samples import Sample, megabytes, pieces
from infra.demo.traveller import Traveller, answered

PARTS_AT_A_TIME = 4


async def by_form(traveller: Traveller, sample: Sample) -> Done:
    """Upload through the API, as a browser's form would."""
    traveller.file_ids[sample.name] = await send_form(traveller, sample)
    return Done(megabytes(sample.size))


async def in_parts(traveller: Traveller, sample: Sample) -> Done:
    """Upload straight to S3, with the checksum promised beforehand."""
    promise = {
        "name": sample.name,
        "size": sample.size,
        "content_type": sample.content_type,
        "sha256": sample.sha256,
        "tags": sample.tags,
        "metadata": sample.metadata,
    }
    started = (await traveller.ask("POST", "/v1/uploads", expect=201, json=promise)).json()
    parts = started["upload"]["parts"]
    await _put_all(traveller, sample, parts, started["upload"]["part_size"])
    file_id = started["upload"]["id"]
    await traveller.ask("POST", f"/v1/uploads/{file_id}/complete", expect=202)
    traveller.file_ids[sample.name] = file_id
    return Done(f"{megabytes(sample.size)}, {len(parts)} parts")


async def send_form(traveller: Traveller, sample: Sample, *, sha256: str | None = None) -> str:
    """Send a form with the file, and with `sha256` if one is to be promised; returns the file's id."""
    fields: dict[str, Any] = {"tags": list(sample.tags), "metadata": json.dumps(sample.metadata)}
    if sha256 is not None:
        fields["sha256"] = sha256
    with sample.path.open("rb") as file:  # httpx reads it in pieces
        form = {"file": (sample.name, file, sample.content_type)}
        answer = (await traveller.ask("POST", "/v1/files", expect=202, data=fields, files=form)).json()
    if answer["name"] != sample.name:
        raise DemoFailed(f"the name arrived as {answer['name']!r}")
    return str(answer["id"])


async def _put_all(traveller: Traveller, sample: Sample, parts: list[Mapping[str, Any]], part_size: int) -> None:
    places = asyncio.Semaphore(PARTS_AT_A_TIME)

    async def put(part: Mapping[str, Any]) -> None:
        async with places:
            content = _part(sample, (part["number"] - 1) * part_size, part["size"])
            headers = {"Content-Length": str(part["size"])}  # S3 takes no chunked bodies
            answered(await traveller.s3.put(part["url"], content=content, headers=headers), 200)

    await asyncio.gather(*map(put, parts))


async def _part(sample: Sample, offset: int, size: int) -> AsyncIterator[bytes]:
    for piece in pieces(sample.path, offset, size):
        yield piece
