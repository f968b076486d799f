"""The services Waybill needs, on this machine: Postgres, Valkey, S3 and an SMTP sink, kept in one directory."""

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from infra import disk
from infra.services import keys, mail, objects, postgres, postgres_user, valkey
from infra.services.data_dir import DataDir, DataDirError, complaint
from infra.supervision.program import ProgramError
from infra.supervision.supervisor import Supervisor

log = logging.getLogger(__name__)

REGION = "us-east-1"


class StackError(Exception):
    """The stack cannot run; the text says why in one line."""


class EmbeddedStack:
    """An async context manager: inside, every service answers, and what they keep outlives it.

    The services end with this process, however it ends, and a service that crashes is started again.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        postgres_settings: Mapping[str, str] | None = None,
        report: Callable[[str], None] | None = None,
        least_free: int = disk.LEAST_FREE_BYTES,
    ) -> None:
        """`postgres_settings` override ours, for tests that need speed; `report` hears a line about what went wrong."""
        self._path = data_dir
        self._least_free = least_free
        self._postgres_settings = dict(postgres_settings or {})
        self._report = report or log.warning
        self.supervisor = Supervisor(report=self._report)
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start everything.

        Raises:
            StackError: if the directory is in use or not ours, or a service does not start.

        """
        try:
            async with AsyncExitStack() as leaving:
                await self._start(leaving)
                self._exit = leaving.pop_all()
        except (DataDirError, ProgramError) as error:
            raise StackError(str(error)) from None
        except OSError as error:
            raise StackError(complaint(error, self._path.absolute())) from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exit.aclose()

    async def _start(self, leaving: AsyncExitStack) -> None:
        self.data_dir = DataDir.prepare(self._path, self._least_free)
        lock = self.data_dir.lock()
        leaving.callback(os.close, lock)
        leaving.callback(self.data_dir.remove_short_name)
        self.supervisor.keep_open = (lock,)
        self._look_at_keys()
        await leaving.enter_async_context(self.supervisor)
        env = dict(os.environ)
        self._ports = {name: self.data_dir.port(name) for name in ("s3", "smtp")}
        await self.supervisor.start(
            await postgres.program(self.data_dir, self._postgres_settings, env),
            valkey.program(self.data_dir, env),
            objects.program(self.data_dir, self._ports["s3"], env),
            mail.program(self.data_dir, self._ports["smtp"], env),
        )

    def _look_at_keys(self) -> None:
        lost = [key for key in keys.EVERY if self.data_dir.is_used and not key.path(self.data_dir).exists()]
        for key in keys.EVERY:
            key.read(self.data_dir)
        for key in lost:
            self._report(f"{key.path(self.data_dir)} was missing, so a new key was made: {key.loss}")

    @property
    def environment(self) -> dict[str, str]:
        """What another process needs to use the stack, secrets included."""
        key = objects.credentials(self.data_dir)
        return {
            "WAYBILL_DATABASE_URL": postgres.url(self.data_dir),
            "WAYBILL_REDIS_URL": valkey.url(self.data_dir),
            "WAYBILL_S3_BUCKET": objects.BUCKET,
            "WAYBILL_S3_ENDPOINT_URL": f"http://127.0.0.1:{self._ports['s3']}",
            "WAYBILL_SMTP_URL": f"smtp://127.0.0.1:{self._ports['smtp']}",
            "WAYBILL_LOCAL_KEY_FILE": str(keys.LOCAL.path(self.data_dir)),
            "WAYBILL_SECRET_KEY_FILE": str(keys.SECRET.path(self.data_dir)),
            "AWS_ACCESS_KEY_ID": key.key_id,
            "AWS_SECRET_ACCESS_KEY": key.secret,
            "AWS_DEFAULT_REGION": REGION,
        }

    @property
    def maildir(self) -> Path:
        return self.data_dir.path / "mail"

    @property
    def s3_dir(self) -> Path:
        """One directory per bucket."""
        return self.data_dir.path / "s3"

    @property
    def valkey_dir(self) -> Path:
        """With the append-only file, below `appendonlydir`."""
        return self.data_dir.path / "valkey"

    @property
    def postgres_bin(self) -> Path:
        """`psql`, `pg_dump` and their like."""
        return postgres_user.reachable_binaries(postgres_user.account(self.data_dir.path / "postgres"))
