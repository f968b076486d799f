"""`waybill config show`: every setting, where it comes from, and no secret."""

import json
import os
from pathlib import Path

from click.testing import CliRunner, Result

from infra.settings import Settings
from waybill import cli

KEY = "k4.local.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def show(*options: str, **environment: str) -> Result:
    away: dict[str, str | None] = {name: None for name in os.environ if name.startswith("WAYBILL_")}
    return CliRunner().invoke(cli, ["config", "show", *options], env=away | environment)


def test_every_setting_is_shown_with_its_origin(tmp_path: Path) -> None:
    (file := tmp_path / "redis").write_text("redis://:geheim@redis:6379/1")

    result = show("--origin", "--json", WAYBILL_QUOTA_BYTES="5", WAYBILL_REDIS_URL_FILE=str(file))

    rows = {row["name"]: (row["value"], row["origin"]) for row in json.loads(result.stdout)}
    assert len(rows) == len(Settings.__struct_fields__)
    assert rows["WAYBILL_QUOTA_BYTES"] == (5, "environment")
    assert rows["WAYBILL_REDIS_URL"] == ("redis://:********@redis:6379/1", f"file {file}")
    assert rows["WAYBILL_RETENTION_DAYS"] == (30, "default")


def test_no_secret_is_shown() -> None:
    result = show(
        WAYBILL_LOCAL_KEY=KEY,
        WAYBILL_DATABASE_URL="postgresql://me:geheim@db/waybill?sslpassword=geheim",
        WAYBILL_SMTP_URL="smtps://me:geheim@mail",
    )

    assert result.exit_code == 0
    assert "geheim" not in result.stdout
    assert KEY not in result.stdout
    assert "postgresql://me:********@db/waybill?sslpassword=********" in result.stdout
    assert "default" not in result.stdout  # no one has asked where they come from


def test_the_stack_that_runs_here_is_an_origin(tmp_path: Path) -> None:
    rows = json.loads(show("--origin", "--json", WAYBILL_DATA_DIR=str(tmp_path)).stdout)

    assert {row["origin"] for row in rows} == {"default"}  # none runs there


def test_a_wrong_setting_is_one_clear_line() -> None:
    result = show(WAYBILL_QUOTA_BYTES="lots")

    assert result.exit_code == 2
    assert result.stderr.startswith("waybill: WAYBILL_QUOTA_BYTES: expected")
