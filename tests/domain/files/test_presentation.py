"""Downloads keep their true names, and nothing that could run is shown."""

import email.message

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from domain.files.presentation import disposition, presented

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=255)


@given(NAMES)
def test_a_parser_that_is_not_ours_reads_the_true_name(name: str) -> None:
    header = disposition("attachment", name)

    kind, options = parse_options_header(header)

    assert (kind, options["filename"]) == ("attachment", name)


@given(NAMES)
def test_a_header_is_one_line_of_ascii_with_two_names(name: str) -> None:
    header = disposition("inline", name)
    message = email.message.Message()
    message["Content-Disposition"] = header

    assert header.isascii()
    assert header.isprintable()
    assert [key for key, _ in message.get_params([], header="Content-Disposition")] == [
        "inline",
        "filename",
        "filename",
    ]


def test_the_stand_in_name_is_plain_ascii_whatever_the_name() -> None:
    header = disposition("attachment", 'a"b\\c\r\nd%é.txt')

    assert header == "attachment; filename=\"a_b_c__d__.txt\"; filename*=UTF-8''a%22b%5Cc%0D%0Ad%25%C3%A9.txt"


@pytest.mark.parametrize(
    ("content_type", "shown_as"),
    [
        ("image/png", "image/png"),
        ("IMAGE/JPEG; charset=utf-7", "image/jpeg"),
        ("video/mp4", "video/mp4"),
        ("text/plain; charset=utf-7", "text/plain; charset=utf-8"),
        ("image/svg+xml", None),
        ("text/html", None),
        ("text/plain+html", None),
        ("application/xhtml+xml", None),
        ("application/pdf", None),
        ("application/octet-stream", None),
    ],
)
def test_only_what_cannot_script_is_shown(content_type: str, shown_as: str | None) -> None:
    header, type_ = presented("a", content_type, inline=True)

    assert (header.partition(";")[0], type_) == ("inline" if shown_as else "attachment", shown_as or content_type)
    assert presented("a", content_type, inline=False)[0].startswith("attachment;")
