"""The house rules that a machine can hold: who imports whom, and that no event is left without a reader."""

import re
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from consumers.subscription import discover
from domain.catalogue import CATALOGUE, EXTERNAL
from infra.failpoints import FAILPOINTS

ROOT = Path(__file__).parent.parent


def test_imports_point_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)

    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == 0


def test_every_event_has_a_consumer_or_is_named_as_external() -> None:
    consumed = {type_ for consumer in discover().values() for type_ in consumer.event_types}

    assert consumed | EXTERNAL == set(CATALOGUE)
    assert not consumed & EXTERNAL, "an event that has a consumer is not for others alone"


def test_a_handlers_file_function_and_group_share_one_name() -> None:
    files = {path.stem for path in (ROOT / "consumers" / "handlers").glob("*.py")} - {"__init__"}

    assert files == set(discover())


@pytest.mark.parametrize("event_type", CATALOGUE.values(), ids=CATALOGUE)
def test_an_event_says_what_it_means(event_type: type) -> None:
    assert event_type.__doc__
    assert re.fullmatch(r"[a-z]+\.[a-z_]+", event_type.type)  # type: ignore[attr-defined]


def test_commit_stands_only_at_the_edges() -> None:
    edges = {"api/commands.py", "consumers/attempts.py"}
    rooms = ("api", "consumers", "domain", "outbox", "scheduler")
    sources = {
        path.relative_to(ROOT).as_posix(): path.read_text() for room in rooms for path in (ROOT / room).rglob("*.py")
    }

    assert {name for name, source in sources.items() if ".commit()" in source} == edges


def test_every_failpoint_is_described_and_stands_somewhere() -> None:
    rooms = ("api", "consumers", "outbox", "scheduler")
    sources = "".join(path.read_text() for room in rooms for path in (ROOT / room).rglob("*.py"))

    assert set(re.findall(r'failpoint\("([^"]+)"\)', sources)) == set(FAILPOINTS)
