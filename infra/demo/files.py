"""Steps: what has become of a file, and whether it comes back as it was."""

import asyncio
import hashlib
import re
from urllib.parse import unquote

import httpx

from infra.demo.events import follow
from infra.demo.outcome import DemoFailed, Done
from infra.demo.samples import Sample, megabytes
from infra.demo.traveller import Traveller, answered
from infra.demo.uploads import send_form

TRUE_NAME = re.compile(r"filename\*=UTF-8''([^;]+)", re.IGNORECASE)
WRONG_SHA256 = "0" * 64


async def follow_upload(traveller: Traveller, sample: Sample) -> Done:
    """Wait until the file can be downloaded and found; what was measured is what we know of it."""
    file_id = traveller.file_ids[sample.name]
    events = await follow(traveller, file_id, "file.uploaded", "file.available", "file.indexed")
    file = (await traveller.ask("GET", f"/v1/files/{file_id}", expect=200)).json()
    for name, expected in (("status", "available"), ("size", sample.size), ("sha256", sample.sha256)):
        if file[name] != expected:
            raise DemoFailed(f"{name} is {file[name]!r}, not {expected!r}")
    return Done(file["content_type"], events)


async def search(traveller: Traveller) -> Done:
    """Find each sample, and only it, by its own words."""
    for sample in traveller.samples:
        page = await traveller.ask("GET", "/v1/files", expect=200, params={"q": sample.find_by})
        found = [file["name"] for file in page.json()["items"]]
        if found != [sample.name]:
            raise DemoFailed(f"{sample.find_by!r} found {found}, not {[sample.name]}")
    return Done(", ".join(sample.find_by for sample in traveller.samples))


async def download(traveller: Traveller, sample: Sample) -> Done:
    """Follow the redirect to S3, without our token, and compare bytes and name."""
    redirect = await traveller.ask("GET", f"/v1/files/{traveller.file_ids[sample.name]}/content", expect=307)
    return await compared(traveller, sample, redirect)


async def compared(traveller: Traveller, sample: Sample, redirect: httpx.Response) -> Done:
    """What is where the redirect leads. Raises DemoFailed if it is not the sample."""
    digest = hashlib.sha256()
    async with traveller.s3.stream("GET", redirect.headers["Location"]) as response:
        async for piece in answered(response, 200).aiter_bytes():
            digest.update(piece)
    if digest.hexdigest() != sample.sha256:
        raise DemoFailed(f"the bytes are others: {response.num_bytes_downloaded} with sha256 {digest.hexdigest()}")
    if (name := _saved_as(response)) != sample.name:
        raise DemoFailed(f"it would be saved as {name!r}, not {sample.name!r}")
    return Done(f"{megabytes(sample.size)}, sha256 {digest.hexdigest()[:12]}…")


async def reject_forgery(traveller: Traveller) -> Done:
    """Send bytes that are not what was promised."""
    sample = traveller.samples.letter
    forgery_id = await send_form(traveller, sample, sha256=WRONG_SHA256)
    events = await follow(traveller, forgery_id, "file.uploaded", "file.rejected")
    file = (await traveller.ask("GET", f"/v1/files/{forgery_id}", expect=200)).json()
    if (fate := (file["status"], file["rejected_reason"])) != ("rejected", "checksum_mismatch"):
        raise DemoFailed(f"it is {fate[0]} with reason {fate[1]}")
    return Done(file["rejected_reason"], events)


async def delete(traveller: Traveller, sample: Sample) -> Done:
    """Delete the file: at once nobody gets it any more, and soon its bytes are gone."""
    file_id = traveller.file_ids.pop(sample.name)
    await traveller.ask("DELETE", f"/v1/files/{file_id}", expect=204)
    await traveller.ask("GET", f"/v1/files/{file_id}/content", expect=410)
    events = await follow(traveller, file_id, "file.delete_requested", "file.deleted")
    return Done("410 Gone", events)


async def clear_up(traveller: Traveller) -> Done:
    """Leave nothing behind but the account and the history."""
    samples = [sample for sample in traveller.samples if sample.name in traveller.file_ids]
    await asyncio.gather(*(delete(traveller, sample) for sample in samples))
    return Done(", ".join(sample.name for sample in samples))


def _saved_as(response: httpx.Response) -> str | None:
    """The name under which a browser would save it."""
    found = TRUE_NAME.search(response.headers.get("Content-Disposition", ""))
    return unquote(found[1]) if found else None
