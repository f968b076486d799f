"""Keys are read strictly, and rotated while others read them."""

import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from infra import keyfile, keyring, paserk
from infra.keyring import KeyRing, local_keys, secret_keys
from infra.services import keys
from infra.services.data_dir import DataDir
from infra.settings import Settings, SettingsError, load_settings

SECRET = paserk.new_secret()
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "LOOK_EVERY", 0.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "local.key"
    path.write_text(paserk.new_local() + "\n")
    path.chmod(0o600)
    return path


def ring(file: Path) -> KeyRing:
    return KeyRing(file.read_text(), paserk.local_key, file=file)


def kids(file: Path) -> list[str]:
    return [paserk.local_key(entry.paserk).to_paserk_id() for entry in keyfile.entries(file.read_text())]


def names(found: KeyRing) -> list[str]:
    return [key.to_paserk_id() for key in found.keys]


def aged(file: Path, *ages: timedelta) -> None:
    """Write keys that have been the first since so long ago."""
    lines = [f"{paserk.new_local()}  # since {(datetime.now(UTC) - age).isoformat()}\n" for age in ages]
    file.write_text("".join(lines))


@pytest.mark.parametrize(
    "key",
    [None, "k4.local.", "k4.local.zzz", f"k4.local.{'A' * 42}B", f"k4.local.{'A' * 43}=", f"k4.public.{'A' * 43}"],
)
def test_without_a_good_local_key_nothing_starts(key: str | None) -> None:
    with pytest.raises(SettingsError, match=r"^WAYBILL_LOCAL_KEY .*waybill keys generate local"):
        local_keys(Settings(local_key=key))


@pytest.mark.parametrize(
    "key",
    [None, "k4.secret.", f"k4.secret.{'A' * 86}", SECRET + "\nk4.secret.x", SECRET[:-2]],
    ids=["none", "empty", "unrelated halves", "a second one that is bad", "too short"],
)
def test_without_a_good_secret_key_nothing_starts(key: str | None) -> None:
    with pytest.raises(SettingsError, match=r"^WAYBILL_SECRET_KEY .*waybill keys generate secret") as raised:
        secret_keys(Settings(secret_key=key))

    assert SECRET[10:] not in str(raised.value)


def test_several_keys_stand_in_one_variable_or_in_lines_of_a_file(file: Path) -> None:
    first, second = paserk.new_local(), paserk.new_local()
    expected = [paserk.local_key(each).to_paserk_id() for each in (first, second)]
    file.write_text(f"{first}  # since 2026-11-22T18:00:00+00:00\n\n{second}\n# {SECRET}\n")

    assert names(local_keys(load_settings({"WAYBILL_LOCAL_KEY": f"{first} {second}"}))) == expected
    assert names(local_keys(load_settings({"WAYBILL_LOCAL_KEY_FILE": str(file)}))) == expected


def test_a_key_is_in_a_variable_or_in_a_file(file: Path) -> None:
    with pytest.raises(SettingsError, match="WAYBILL_LOCAL_KEY and WAYBILL_LOCAL_KEY_FILE are both set"):
        load_settings({"WAYBILL_LOCAL_KEY": paserk.new_local(), "WAYBILL_LOCAL_KEY_FILE": str(file)})


def test_a_rotation_is_followed(file: Path) -> None:
    following = ring(file)
    (old,) = names(following)

    keyfile.rotate(file, paserk.new_local(), keep_for=DAY)

    assert names(following) == kids(file)
    assert names(following)[1:] == [old]


def removed(file: Path) -> None:
    file.unlink()


def emptied(file: Path) -> None:
    file.write_text("")


def half_written(file: Path) -> None:
    file.write_text(file.read_text()[:-5])


def binary(file: Path) -> None:
    file.write_bytes(os.urandom(100))


@pytest.mark.parametrize("spoil", [removed, emptied, half_written, binary])
def test_a_file_that_went_bad_changes_nothing_and_is_told_once(file: Path, spoil: Callable[[Path], None]) -> None:
    text = file.read_text()
    following = ring(file)
    before = names(following)

    spoil(file)
    with capture_logs() as logs:
        assert [names(following) for _ in range(3)] == [before] * 3

    assert [(each["event"], each["log_level"]) for each in logs] == [("keys.not_followed", "warning")]
    assert text[9:30] not in str(logs)
    file.write_text(text)
    keyfile.rotate(file, paserk.new_local(), keep_for=DAY)
    assert names(following) == kids(file)


def test_a_file_is_looked_at_only_now_and_then(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "LOOK_EVERY", 1000.0)
    patient = KeyRing(file.read_text(), paserk.local_key, file=file)
    before = names(patient)

    keyfile.rotate(file, paserk.new_local(), keep_for=DAY)

    assert names(patient) == before


def test_rotating_keeps_what_is_needed_and_drops_what_is_not(file: Path) -> None:
    """A key is needed for so long after its successor came."""
    aged(file, timedelta(hours=1), 2 * DAY, 3 * DAY)
    now, before, _long_ago = kids(file)

    keyfile.rotate(file, paserk.new_local(), keep_for=DAY)

    assert kids(file)[1:] == [now, before]
    keyfile.rotate(file, paserk.new_local(), keep_for=None)
    assert len(kids(file)) == 1


@pytest.mark.parametrize(("key", "fresh"), [(keys.LOCAL, paserk.new_local), (keys.SECRET, paserk.new_secret)])
def test_a_stack_starts_again_with_what_was_rotated(key: keys.Key, fresh: Callable[[], str], tmp_path: Path) -> None:
    data_dir = DataDir.prepare(tmp_path)
    key.read(data_dir)
    for _ in range(2):
        keyfile.rotate(key.path(data_dir), fresh(), keep_for=DAY)

    assert len(keyfile.entries(key.read(data_dir))) == 3
    assert stat.S_IMODE(key.path(data_dir).stat().st_mode) == 0o600


def test_a_rotated_file_is_as_private_as_before_and_a_link_stays_one(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 12345, 54321)
    before = file.stat()

    keyfile.rotate(link, paserk.new_local(), keep_for=DAY)

    assert link.is_symlink()
    after = file.stat()
    assert (stat.S_IMODE(after.st_mode), after.st_uid, after.st_gid) == (0o640, before.st_uid, before.st_gid)
    assert {each.name for each in tmp_path.iterdir()} == {"link", "local.key"}
