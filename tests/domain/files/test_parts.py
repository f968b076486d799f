"""Any size is cut into parts that S3 takes."""

from hypothesis import given
from hypothesis import strategies as st

from domain.files.parts import MAX_OBJECT_SIZE, MAX_PARTS, MIB, part_size, plan


@given(st.integers(min_value=0, max_value=MAX_OBJECT_SIZE))
def test_parts_add_up_and_stay_within_the_limits_of_s3(total: int) -> None:
    size = part_size(total)

    full, rest = divmod(total, size)
    assert full + bool(rest) <= MAX_PARTS
    assert 5 * MIB <= size <= 5 * 1024 * MIB


@given(st.integers(min_value=0, max_value=1000 * MIB))
def test_a_plan_is_numbered_from_one_and_only_its_last_part_is_smaller(total: int) -> None:
    parts = plan(total)

    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert sum(part.size for part in parts) == total
    assert {part.size for part in parts[:-1]} <= {part_size(total)}
    assert parts[-1].size > 0 or total == 0
