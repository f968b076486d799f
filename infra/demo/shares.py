"""Steps: somebody without an account gets a file by a link."""

import secrets
from urllib.parse import urlsplit

from infra.demo.events import follow
from infra.demo.files import compared
from infra.demo.outcome import DemoFailed, Done
from infra.demo.samples import Sample
from infra.demo.traveller import Traveller, answered


async def share(traveller: Traveller, sample: Sample) -> Done:
    """Make a link that is good for one download, by who knows the password."""
    traveller.link_password = secrets.token_urlsafe(12)
    terms = {"max_downloads": 1, "password": traveller.link_password}
    path = f"/v1/files/{traveller.file_ids[sample.name]}/shares"
    made = (await traveller.ask("POST", path, expect=201, json=terms)).json()
    traveller.link = urlsplit(made["url"]).path
    return Done("one download, with a password")


async def download(traveller: Traveller, sample: Sample) -> Done:
    """Follow the link without our token, and compare bytes and name; the second time it is used up."""
    content, password = f"{traveller.link}/content", {"X-Share-Password": traveller.link_password}
    shown = answered(await traveller.nobody.get(traveller.link), 200).json()
    if (seen := (shown["name"], shown["size"], shown["password_required"])) != (sample.name, sample.size, True):
        raise DemoFailed(f"the link shows {seen}")
    answered(await traveller.nobody.get(content), 401)
    done = await compared(traveller, sample, answered(await traveller.nobody.get(content, headers=password), 307))
    answered(await traveller.nobody.get(content, headers=password), 410)
    events = await follow(traveller, traveller.file_ids[sample.name], "file.shared", "file.downloaded")
    return Done(f"{done.remark}, then 410 Gone", events)
