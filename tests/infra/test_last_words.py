"""Out of a service's log comes the one line that tells why it ended."""

from pathlib import Path

import pytest

from infra.supervision import last_words

POSTGRES = """
2026-11-22 17:48:06.488 UTC [13178] LOG:  starting PostgreSQL 18.1
2026-11-22 17:48:06.490 UTC [13181] FATAL:  the database system is starting up
2026-11-22 17:48:06.500 UTC [13180] PANIC:  could not locate a valid checkpoint record at 0/174D6A8
2026-11-22 17:48:06.600 UTC [13178] LOG:  startup process (PID 13180) was terminated by signal 6: Aborted
2026-11-22 17:48:06.601 UTC [13182] FATAL:  the database system is shutting down
2026-11-22 17:48:06.610 UTC [13178] LOG:  database system is shut down
"""
POSTGRES_WITHOUT_ROOM = """
2026-11-22 17:48:06.500 UTC [13180] PANIC:  could not write to file "pg_wal/xlogtemp.29": No space left on device
2026-11-22 17:48:06.610 UTC [13178] FATAL:  could not load pg_hba.conf
"""
VALKEY = """
14842:M 22 Nov 2026 17:48:54.388 * Server initialized
14842:M 22 Nov 2026 17:48:54.388 # Bad file format reading the append only file appendonly.aof.1.incr.aof
14842:M 22 Nov 2026 17:48:54.390 * Bye
"""
TRACEBACK = """
Traceback (most recent call last):
  File "relay.py", line 1, in <module>
    run()
RuntimeError: the stream is ahead of the outbox
"""
OURS = """
INFO [alembic] Running upgrade
waybill: Postgres: permission denied for schema public
"""

JSON = """
{"level": "info", "event": "relay.ready", "timestamp": "2026-11-22T17:48:54Z"}
{"level": "critical", "event": "a stream is newer than the outbox", "timestamp": "2026-11-22T17:48:54Z"}
{"level": "info", "event": "over", "timestamp": "2026-11-22T17:48:54Z"}
"""
JSON_TRACEBACK = """
{"level": "critical", "event": "process.failed", "exception": [{"exc_type": "KeyError", "exc_value": "'a'"}]}
"""


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (POSTGRES, "PANIC:  could not locate a valid checkpoint record at 0/174D6A8"),
        (POSTGRES_WITHOUT_ROOM, 'PANIC:  could not write to file "pg_wal/xlogtemp.29": No space left on device'),
        (VALKEY, "Bad file format reading the append only file appendonly.aof.1.incr.aof"),
        (TRACEBACK, "RuntimeError: the stream is ahead of the outbox"),
        (OURS, "Postgres: permission denied for schema public"),
        (JSON, "a stream is newer than the outbox"),
        (JSON_TRACEBACK, "process.failed: KeyError: 'a'"),
        ("one\ntwo\nthree\nfour", "two | three | four"),
        ("", ""),
    ],
)
def test_the_telling_line_is_found_and_bare_of_its_stamp(tmp_path: Path, log: str, reason: str) -> None:
    (tmp_path / "log").write_text(log)

    assert last_words.reason(last_words.tail(tmp_path / "log", 0)) == reason


def test_an_earlier_run_in_the_same_log_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("PANIC: old\n")

    assert last_words.tail(tmp_path / "log", len("PANIC: old\n")) == []


def test_a_log_that_is_gone_tells_nothing(tmp_path: Path) -> None:
    assert last_words.tail(tmp_path / "log", 0) == []
