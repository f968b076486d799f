"""Settings that are wrong stop the process with one line that names them, and never repeats a secret."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.running import announced
from infra.settings import Settings, SettingsError, load_settings

NOWHERE = "/nonexistent"


def test_an_empty_environment_gives_the_defaults(tmp_path: Path) -> None:
    assert load_settings({"WAYBILL_DATA_DIR": str(tmp_path), "PATH": "/bin"}) == Settings()


def test_an_unknown_name_is_named_with_the_nearest_known_one() -> None:
    with pytest.raises(
        SettingsError, match=r"^WAYBILL_DATABSE_URL is not a setting; did you mean WAYBILL_DATABASE_URL\?$"
    ):
        load_settings({"WAYBILL_DATABSE_URL": "postgresql://u:secret@h/d"})


def test_an_unknown_name_like_no_other_is_named_alone() -> None:
    with pytest.raises(SettingsError, match=r"^WAYBILL_XYZZY is not a setting$"):
        load_settings({"WAYBILL_XYZZY": "1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WAYBILL_QUOTA_BYTES", "plenty"),
        ("WAYBILL_MAX_FILE_SIZE", "0"),
        ("WAYBILL_RETENTION_DAYS", "-1"),
        ("WAYBILL_RETRY_BASE_SECONDS", "soon"),
        ("WAYBILL_RETRY_MAX_ATTEMPTS", "101"),
        ("WAYBILL_LOG_FORMAT", "yaml-ish"),
        ("WAYBILL_S3_BUCKET", "ab"),
        ("WAYBILL_CORS_ORIGINS", "*"),
        ("WAYBILL_RATE_LIMIT_SCALE", "0"),
    ],
)
def test_a_wrong_value_names_the_variable_and_does_not_repeat_the_value(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({name: value})

    assert str(caught.value).startswith(f"{name}: ")
    assert "\n" not in str(caught.value)
    assert value not in str(caught.value).removeprefix(f"{name}: ").split()


def test_numbers_are_converted() -> None:
    settings = load_settings({"WAYBILL_QUOTA_BYTES": "1024", "WAYBILL_RETRY_BASE_SECONDS": "0.5"})

    assert (settings.quota_bytes, settings.retry_base_seconds) == (1024, 0.5)


def test_lists_are_separated_by_commas() -> None:
    assert load_settings({"WAYBILL_ALLOWED_TYPES": "image/png, text/,,"}).allowed_types == ("image/png", "text/")


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k4.local.abc\n")

    assert load_settings({"WAYBILL_LOCAL_KEY_FILE": str(tmp_path / "key")}).local_key == "k4.local.abc"


def test_a_secret_file_that_is_missing_is_named() -> None:
    with pytest.raises(SettingsError, match=rf"^WAYBILL_LOCAL_KEY_FILE: {NOWHERE} cannot be read \(No such file"):
        load_settings({"WAYBILL_LOCAL_KEY_FILE": NOWHERE})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WAYBILL_DATABASE_URL", "nonsense"),
        ("WAYBILL_REDIS_URL", "foo"),
        ("WAYBILL_S3_ENDPOINT_URL", "foo"),
        ("WAYBILL_PUBLIC_URL", "localhost"),
        ("WAYBILL_SMTP_URL", "mail"),
        ("WAYBILL_LOCAL_KEY", "k4.public.abc"),
        ("WAYBILL_SECRET_KEY", "zzz"),
        ("WAYBILL_TRUSTED_PROXIES", "proxy.example.com"),
        ("WAYBILL_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("WAYBILL_TRUSTED_PROXIES", "*"),
        ("WAYBILL_CORS_ORIGINS", "https://*.example.com"),
        ("WAYBILL_CORS_ORIGINS", "https://app.example.com/"),
    ],
)
def test_a_value_of_another_form_is_named_and_not_repeated(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: ") as raised:
        load_settings({name: value})

    assert value not in str(raised.value)


def test_proxies_and_origins_are_lists() -> None:
    lists = {
        "WAYBILL_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
        "WAYBILL_CORS_ORIGINS": "https://a.example, http://localhost:1",
    }

    settings = load_settings(lists)

    assert settings.trusted_proxies == ("10.0.0.0/8", "::1/128")
    assert settings.cors_origins == ("https://a.example", "http://localhost:1")


def test_only_secrets_may_lie_in_files() -> None:
    with pytest.raises(SettingsError, match="WAYBILL_LOG_FORMAT_FILE is not a setting"):
        load_settings({"WAYBILL_LOG_FORMAT_FILE": NOWHERE})


def test_the_running_stack_is_found_when_nothing_is_set(tmp_path: Path) -> None:
    with a_running_stack(tmp_path, {"WAYBILL_S3_BUCKET": "found", "AWS_DEFAULT_REGION": "x"}):
        assert load_settings({"WAYBILL_DATA_DIR": str(tmp_path)}).s3_bucket == "found"
        assert load_settings({"WAYBILL_DATA_DIR": str(tmp_path), "WAYBILL_QUOTA_BYTES": "1"}).s3_bucket == "waybill"


def test_what_a_killed_stack_left_behind_is_not_taken_for_a_running_one(tmp_path: Path) -> None:
    (tmp_path / "environment.json").write_text(json.dumps({"WAYBILL_S3_BUCKET": "left-behind"}))
    (tmp_path / "lock").touch()

    assert load_settings({"WAYBILL_DATA_DIR": str(tmp_path)}).s3_bucket == "waybill"


def test_the_running_stacks_credentials_reach_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("WAYBILL_", "AWS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WAYBILL_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "")  # so that it is restored
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")

    with a_running_stack(tmp_path, {"AWS_ACCESS_KEY_ID": "generated"}):
        load_settings()

    assert os.environ["AWS_ACCESS_KEY_ID"] == "generated"


@contextmanager
def a_running_stack(data_dir: Path, environment: dict[str, str]) -> Iterator[None]:
    with (data_dir / "lock").open("wb") as lock, announced(data_dir, environment):
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
