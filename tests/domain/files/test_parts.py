"""Uploads of any size up to S3's limit are cut into parts that S3 takes."""

import hypothesis.strategies as some
from hypothesis import example, given, settings

from domain.files.parts import MAX_OBJECT_SIZE, MAX_PARTS, MIB, MIN_PART_SIZE, part_size, plan

S3_MIN, S3_MAX = 5 * MIB, 5 * 1024 * MIB
SIZES = some.integers(1, MAX_OBJECT_SIZE) | some.integers(1, 100 * MIN_PART_SIZE)


@settings(deadline=None)
@given(total=SIZES)
@example(1)
@example(MIN_PART_SIZE)
@example(MIN_PART_SIZE + 1)
@example(MAX_PARTS * MIN_PART_SIZE)
@example(MAX_PARTS * MIN_PART_SIZE + 1)
@example(MAX_OBJECT_SIZE - 1)
@example(MAX_OBJECT_SIZE)
def test_any_size_is_cut_into_parts_that_s3_takes(total: int) -> None:
    parts = plan(total)

    assert sum(part.size for part in parts) == total
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert len(parts) <= MAX_PARTS
    assert all(S3_MIN <= part.size <= S3_MAX for part in parts[:-1])
    assert 1 <= parts[-1].size <= part_size(total)


@settings(deadline=None)
@given(total=SIZES)
def test_a_stored_part_size_gives_the_same_plan_again(total: int) -> None:
    assert plan(total, part_size(total)) == plan(total)


def test_an_empty_upload_is_one_empty_part() -> None:
    assert [(part.number, part.size) for part in plan(0)] == [(1, 0)]
