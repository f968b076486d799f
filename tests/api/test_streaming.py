"""Parts grow so that a body of any size fits into what S3 takes."""

from api.streaming import FIRST_PART_SIZE, PARTS_PER_SIZE
from domain.files.parts import MAX_OBJECT_SIZE, MAX_PARTS, MIB


def test_ten_thousand_parts_hold_the_largest_object_that_s3_takes() -> None:
    held = sum(FIRST_PART_SIZE << (number // PARTS_PER_SIZE) for number in range(MAX_PARTS))

    assert held >= MAX_OBJECT_SIZE
    assert 5 * MIB <= FIRST_PART_SIZE
