"""Which types are taken."""

from domain.files.finalization import is_allowed


def test_allowed_types_are_exact_or_a_whole_family() -> None:
    assert is_allowed("image/png", ())
    assert is_allowed("image/png", ("image/",))
    assert is_allowed("image/png", ("text/plain", "image/png"))
    assert not is_allowed("image/png", ("text/", "image/pn"))
    assert is_allowed("Text/Plain; charset=utf-8", ("text/plain",))
