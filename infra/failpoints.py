"""Named places between two durable writes, where a test ends a process or raises an error. In production: nothing."""

from collections.abc import Callable
from typing import Final

FAILPOINTS: Final = {
    # name: what is durable by then, and what is not yet
    "api.before_commit": "the bytes are in S3, no row knows of them",
    "api.after_commit": "the command is committed, its client has no answer",
    "relay.after_sequence": "rows have positions, the stream has no entry of them",
    "relay.after_append": "the stream has the entries, the relay has not noted where it ends",
    "consumer.before_claim": "entries are read, no delivery knows of them",
    "consumer.before_batch_commit": "a batch's effects have happened, nothing is committed",
    "consumer.after_claim": "deliveries are running, no effect has begun",
    "consumer.before_ack": "deliveries are committed, their entries are not acknowledged",
    "attempt.before_commit": "an effect has happened, also in S3; nothing is committed",
    "attempt.after_commit": "an effect is committed, its worker has not let go of it",
    "attempt.before_fail": "an attempt has failed, and nobody has noted so",
    "due.after_take": "an attempt is counted, it has not begun",
    "sweep.after_claim": "entries have a new owner, no delivery knows of them",
    "sweep.before_ack": "deliveries are due, their entries are not acknowledged",
    "finalize.after_object": "the object is in its final place, no row knows so",
    "mail.after_send": "the mail has left, no row knows so",
    "remove.after_object": "the object is gone, no row knows so",
    "reconcile.after_condemn": "an object is known to be nobody's, it is still there",
    "reconcile.after_removal": "a leftover object is gone, no event has told so",
    "retention.before_trim": "rows have left the outbox, their entries are still in the streams",
    "scheduler.after_announce": "a tick is committed, the scheduler has not noted so",
    "rebuild.before_swap": "a stream is built anew, the old one is still in its place",
    "replay.after_copy": "entries are copied, the replay has not noted so",
}

_reached: Callable[[str], None] | None = None


def failpoint(name: str) -> None:
    """Here a process may die, and nothing is lost or done twice."""
    if _reached is not None:
        _reached(name)


def arm(reached: Callable[[str], None] | None) -> None:
    """For tests alone: call this at each failpoint from now on; None disarms."""
    global _reached  # noqa: PLW0603 - one process has one set of failpoints
    _reached = reached
