"""A steady load: clients that ask with an Idempotency-Key, and again with the same key until they are answered."""

import asyncio
import hashlib
import itertools
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import aiohttp
from yarl import URL

from tests.chaos.ledger import Known, Ledger

CLIENTS = 32
ANSWER_SECONDS = 60.0
"""Whoever takes longer hangs: S3 alone may be waited for, twice 20 s."""
RETRY_SECONDS = 0.1
WEIGHTS = {"promise": 50, "delete": 28, "upload": 17, "send": 5}
ASKED_TWICE = 0.03
BOUNDARY = "chaos"
FORM = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n'
    f"Content-Type: text/plain\r\n\r\n%s\r\n--{BOUNDARY}--\r\n"
)
FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Load:
    """Inside, `rate` commands a second are asked for, as far as the answers keep up; the seed chooses which."""

    url: str
    token: str
    rate: float
    seed: str
    ledger: Ledger = field(default_factory=Ledger)

    async def __aenter__(self) -> Self:
        self._dice = random.Random(self.seed)  # noqa: S311 - load, not a secret
        self._numbers = itertools.count(1)
        self._stop = asyncio.Event()
        self._deletable: list[Known] = []
        self._asked = set[asyncio.Event]()
        self._begun = asyncio.get_running_loop().time()
        headers = {"Authorization": f"Bearer {self.token}"}
        self._http = aiohttp.ClientSession(
            self.url, headers=headers, timeout=aiohttp.ClientTimeout(ANSWER_SECONDS), trust_env=False
        )
        self._slot = self._begun
        self._clients = [asyncio.create_task(self._client()) for _ in range(CLIENTS)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nobody asks for anything new; who has asked goes on until there is an answer."""
        self.ledger.seconds = asyncio.get_running_loop().time() - self._begun
        self._stop.set()
        for client in self._clients if error else ():
            client.cancel()
        try:
            await asyncio.gather(*self._clients, return_exceptions=error is not None)
        finally:
            await self._http.close()

    async def upload(self, name: str, content: str) -> Known:
        """A file through the API."""
        answer = await self.ask("POST", "/v1/files", FORM % (name, content), FORM_TYPE, expect=202)
        return self._learnt(answer.json["id"], content)

    async def register(self, address: str) -> None:
        account = json.dumps({"email": address, "password": "correct horse battery"})
        await self.ask("POST", "/v1/accounts", account, "application/json", expect=201)

    async def ask(self, method: str, path: str, body: str = "", type_: str | None = None, *, expect: int) -> Answer:
        """The first answer that is not a fault of the service's."""
        key = str(UUID(int=self._dice.getrandbits(128)))
        headers = {"Idempotency-Key": key} | ({"Content-Type": type_} if type_ else {})
        answer = await self._until_answered(method, path, body, headers)
        if answer.status != expect:
            self.ledger.flaws.append(f"{method} {path} answered {answer.status}: {answer.body!r}")
        if self._dice.random() < ASKED_TWICE:
            again = await self._until_answered(method, path, body, headers)
            if (again.status, again.body) != (answer.status, answer.body) or "Idempotent-Replayed" not in again.headers:
                self.ledger.flaws.append(f"{method} {path} asked again answered {again.status}: {again.body!r}")
        return answer

    async def all_answered(self) -> None:
        """Returns once whoever has asked by now knows how it ended."""
        for ended in list(self._asked):
            await ended.wait()

    async def _client(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stop.is_set():
            self._slot = max(self._slot + 1 / self.rate, loop.time() - 1)
            await asyncio.sleep(self._slot - loop.time())
            (kind,) = self._dice.choices(list(WEIGHTS), list(WEIGHTS.values()))
            await getattr(self, f"_{kind}")()

    async def _promise(self) -> None:
        await self._promised(self._content())

    async def _delete(self) -> None:
        if not self._deletable:
            return
        known = self._deletable.pop(self._dice.randrange(len(self._deletable)))
        await self.ask("DELETE", f"/v1/files/{known.file_id}", expect=204)
        known.is_deleted = True

    async def _upload(self) -> None:
        self._deletable.append(await self.upload(f"{next(self._numbers)}.txt", self._content()))

    async def _send(self) -> None:
        """Promise, write to S3, and say so."""
        content = self._content()
        known, (part,) = await self._promised(content, deletable=False)
        while not await self._put(part["url"], content):  # noqa: ASYNC110 - S3 sets no event of ours
            await asyncio.sleep(RETRY_SECONDS)
        await self.ask("POST", f"/v1/uploads/{known.file_id}/complete", expect=202)
        self._learnt(known.file_id, content)

    async def _promised(self, content: str, *, deletable: bool = True) -> tuple[Known, Any]:
        promise = json.dumps({"name": f"{next(self._numbers)}.txt", "size": len(content), "content_type": "text/plain"})
        answer = await self.ask("POST", "/v1/uploads", promise, "application/json", expect=201)
        known = self.ledger.files[answer.json["file"]["id"]] = Known(answer.json["file"]["id"], len(content))
        if deletable:
            self._deletable.append(known)
        return known, answer.json["upload"]["parts"]

    async def _put(self, url: str, content: str) -> bool:
        try:
            async with aiohttp.request("PUT", URL(url, encoded=True), data=content.encode()) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _content(self) -> str:
        return f"{self._dice.getrandbits(256):x}" * self._dice.randrange(1, 40)

    def _learnt(self, file_id: str, content: str) -> Known:
        known = self.ledger.files.setdefault(file_id, Known(file_id, len(content)))
        known.sha256 = hashlib.sha256(content.encode()).hexdigest()
        return known

    async def _until_answered(self, method: str, path: str, body: str, headers: Mapping[str, str]) -> Answer:
        while (answer := await self._awaited(method, path, body, headers)) is None:  # noqa: ASYNC110
            await asyncio.sleep(RETRY_SECONDS)
        return answer

    async def _awaited(self, method: str, path: str, body: str, headers: Mapping[str, str]) -> Answer | None:
        self._asked.add(ended := asyncio.Event())
        try:
            return await self._once(method, path, body, headers)
        finally:
            self._asked.discard(ended)
            ended.set()

    async def _once(self, method: str, path: str, body: str, headers: Mapping[str, str]) -> Answer | None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with self._http.request(method, path, data=body.encode(), headers=headers) as response:
                answer = Answer(response.status, await response.read(), response.headers)
        except TimeoutError:
            self.ledger.flaws.append(f"{method} {path} hung for {ANSWER_SECONDS:g} s")
            return None
        except (aiohttp.ClientError, OSError):
            self.ledger.troubles["transport"] += 1
            return None
        if answer.status >= 500 or (answer.status == 409 and b"idempotency-key-in-use" in answer.body):
            await self._trouble(answer, f"{method} {path}")
            return None
        self.ledger.answer(loop.time() - began)
        return answer

    async def _trouble(self, answer: Answer, asked: str) -> None:
        self.ledger.troubles[str(answer.status)] += 1
        if answer.status == 503 and "Retry-After" not in answer.headers:
            self.ledger.flaws.append(f"{asked} answered 503 without Retry-After")
        if answer.status not in {409, 503}:
            self.ledger.flaws.append(f"{asked} answered {answer.status}: {answer.body!r}")
        await asyncio.sleep(min(1.0, float(answer.headers.get("Retry-After", 0))))
