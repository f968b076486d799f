"""A shell offers the names of commands, consumers and event types."""

import pytest
from click.shell_completion import ShellComplete

from consumers.subscription import discover
from domain.catalogue import CATALOGUE
from waybill import cli


def offered(*words: str) -> list[str]:
    """For the last of these words."""
    completion = ShellComplete(cli, {}, "waybill", "_WAYBILL_COMPLETE")
    return [item.value for item in completion.get_completions(list(words[:-1]), words[-1])]


def test_commands_are_offered() -> None:
    assert offered("re") == ["relay", "replay", "replays", "reconcile"]
    assert "--help" in offered("--")


@pytest.mark.parametrize("words", [("dead", "list", "--consumer"), ("worker", "--only"), ("consumers", "forget")])
def test_consumers_are_offered(words: tuple[str, ...]) -> None:
    assert offered(*words, "") == sorted(discover())
    assert offered(*words, "send") == ["send_mail"]


@pytest.mark.parametrize("words", [("events", "tail", "--type"), ("replay", "--type"), ("dead", "list", "--type")])
def test_event_types_are_offered_each_and_by_concept(words: tuple[str, ...]) -> None:
    assert set(offered(*words, "")) >= {*CATALOGUE, "file.*"}
    assert offered(*words, "expiry") == ["expiry.*", "expiry.due"]
