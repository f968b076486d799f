"""A crash that repeats is told ever more rarely; another one is told at once."""

from infra.supervision.complaints import FORGET_SECONDS, Complaints


def test_the_same_crash_is_told_at_growing_intervals_whatever_its_numbers() -> None:
    complaints = Complaints()

    told = [n for n in range(1, 101) if complaints.worth_saying(f"postgres ended (process {n})", n)]

    assert told == [1, 2, 4, 8, 16, 32, 64]


def test_a_repeated_crash_says_how_often() -> None:
    complaints = Complaints()

    assert [complaints.worth_saying("no map", now) for now in (1, 2)] == ["no map", "no map; 2 times so far"]


def test_another_reason_is_told_at_once() -> None:
    complaints = Complaints()
    for now in range(7):
        complaints.worth_saying("no map", now)

    assert complaints.worth_saying("no compass", 8) == "no compass"


def test_after_an_hour_without_it_a_crash_is_news_again() -> None:
    complaints = Complaints()
    for now in range(7):
        complaints.worth_saying("no map", now)

    assert complaints.worth_saying("no map", 7 + FORGET_SECONDS) == "no map"
