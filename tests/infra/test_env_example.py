""".env.example and docker-compose.yml name the settings that exist, no more and no fewer."""

import re
from pathlib import Path

import pytest

from infra.settings import DATA_DIR_VARIABLE, DEFAULT_DATA_DIR, PREFIX, SECRETS, Settings, load_settings

ROOT = Path(__file__).parents[2]
ASSIGNMENT = re.compile(rf"^(# )?({PREFIX}[A-Z0-9_]+)=(.*)$", re.MULTILINE)

FROM_FILES = {f"{PREFIX}{field.upper()}_FILE" for field in SECRETS}
SETTINGS = {PREFIX + field.upper() for field in Settings.__struct_fields__} - FROM_FILES


@pytest.fixture(scope="module")
def example() -> dict[str, str]:
    """What .env.example says, commented out or not."""
    found = ASSIGNMENT.findall((ROOT / ".env.example").read_text(encoding="utf-8"))
    values = {name: text.strip('"') for _, name, text in found}
    assert len(values) == len(found), "a name stands there twice"
    return values


def test_every_setting_is_there_and_nothing_else(example: dict[str, str]) -> None:
    """A secret's `_FILE` variant may be there too."""
    assert set(example) - FROM_FILES == SETTINGS | {DATA_DIR_VARIABLE}


def test_the_values_are_the_defaults(example: dict[str, str]) -> None:
    """Empty stands for a default that is none."""
    assert load_settings({name: text for name, text in example.items() if text}) == Settings()
    empty = {name.removeprefix(PREFIX).lower() for name, text in example.items() if not text}
    assert empty == {
        field.removeprefix(PREFIX).lower()
        for field in SETTINGS
        if not getattr(Settings(), field.removeprefix(PREFIX).lower())
    }
    assert example[DATA_DIR_VARIABLE] == str(DEFAULT_DATA_DIR)


def test_a_copy_asks_for_what_has_no_default() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert re.findall(r"^([A-Z0-9_]+)=(.*)$", text, re.MULTILINE) == [
        ("WAYBILL_LOCAL_KEY", ""),
        ("WAYBILL_SECRET_KEY", ""),
        ("S3_SECRET_KEY", ""),
    ]


@pytest.mark.parametrize("file", ["docker-compose.yml", "Makefile", "Dockerfile"])
def test_no_unknown_name_is_used(file: str) -> None:
    """It would stop every process at start."""
    used = set(re.findall(rf"\b{PREFIX}[A-Z0-9_]+\b", (ROOT / file).read_text(encoding="utf-8")))
    assert used <= SETTINGS | FROM_FILES | {DATA_DIR_VARIABLE}
