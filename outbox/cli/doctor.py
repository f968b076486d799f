"""`waybill doctor`."""

import asyncio

import click

from infra.console import show_json, show_table
from infra.doctor.line import Level, Line, looked_at
from infra.doctor.machine import disk, versions
from infra.doctor.postgres import postgres
from infra.doctor.redis import redis
from infra.doctor.s3 import s3
from infra.doctor.smtp import smtp
from infra.settings import Settings, load_settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text for people.")
def doctor(*, as_json: bool) -> None:
    """Look at everything that Waybill stands on, and say what to do. Exits with 1 if something fails."""
    lines = asyncio.run(examine(load_settings()))
    failed = any(line.level is Level.FAIL for line in lines)
    if as_json:
        show_json({"ok": not failed, "lines": lines})
    else:
        show_table(
            ["", "part", "found", "what to do"], [(each.level, each.part, each.said, each.todo) for each in lines]
        )
    raise SystemExit(1 if failed else 0)


async def examine(settings: Settings) -> list[Line]:
    """All at once: one that does not answer keeps nobody waiting."""
    from migrations.command import newest

    found = await asyncio.gather(
        looked_at("postgres", postgres(settings, newest()), todo="see that WAYBILL_DATABASE_URL leads to it"),
        looked_at("redis", redis(settings), todo="see that WAYBILL_REDIS_URL leads to it"),
        looked_at("s3", s3(settings), todo="see that WAYBILL_S3_ENDPOINT_URL leads to it"),
        looked_at("smtp", smtp(settings), todo="see that WAYBILL_SMTP_URL leads to it; mails wait meanwhile"),
        looked_at("disk", disk(), todo="see that it can be read"),
        looked_at("versions", versions(), todo="install with `make setup`"),
    )
    return [line for lines in found for line in lines]
