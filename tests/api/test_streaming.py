"""Parts are of a size that a body of any length fits into what S3 takes, and as small as that allows."""

import hypothesis.strategies as some
from hypothesis import given

from api.streaming import FIRST_PART_SIZE, part_size
from domain.files.parts import MAX_OBJECT_SIZE, MAX_PARTS, MIB


def test_ten_thousand_parts_hold_the_largest_object_though_nobody_knows_its_size() -> None:
    held = sum(part_size(number, expected=0) for number in range(MAX_PARTS))

    assert held >= MAX_OBJECT_SIZE
    assert 5 * MIB <= FIRST_PART_SIZE


@given(some.integers(1, MAX_OBJECT_SIZE), some.integers(0, MAX_PARTS - 1))
def test_where_it_is_known_no_part_is_larger_than_it_must_be(expected: int, number: int) -> None:
    size = part_size(number, expected=expected)

    assert size * MAX_PARTS >= expected
    assert size == FIRST_PART_SIZE or (size - 1) * MAX_PARTS < expected
