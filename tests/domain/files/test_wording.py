"""What people read of sizes, kinds and names."""

import pytest

from domain.files.wording import kind, shown, size


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (5 * 10**12, "5.0 TB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_a_size_is_said_as_people_read_it(count: int, said: str) -> None:
    assert size(count) == said


@pytest.mark.parametrize(
    ("content_type", "said"),
    [("image/png", "Image"), ("Text/CSV; charset=x", "Table (CSV)"), ("x/y", "File"), ("", "File")],
)
def test_a_type_is_said_in_words(content_type: str, said: str) -> None:
    assert kind(content_type) == said


def test_a_name_cannot_look_like_another() -> None:
    assert shown("ann\u202etxt.exe") == "ann\N{REPLACEMENT CHARACTER}txt.exe"
    assert shown("naïve 報告 👩\u200d🚀.txt") == "naïve 報告 👩\u200d🚀.txt"
