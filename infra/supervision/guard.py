"""A program of its own: children end with their parent, however it ends, `kill -9` included.

Two roles, both started by path and without site-packages (`python -I -S guard.py …`), so that they cost milliseconds:

`watch` holds the read end of a pipe whose write end only the parent keeps. The end of the file means that the parent is
gone: every group still registered is asked to stop, and killed when it does not.

`run FD STOP KILL UID GID ARGV…` registers itself in that pipe and becomes ARGV. As it registers before it becomes the
child, and holds the pipe open until then, there is no moment at which a child could be missed.
"""

import contextlib
import os
import signal
import sys
import time

GRACE_SECONDS = 5.0
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def watch() -> None:
    """Read `+pid stop kill` and `-pid` lines until the parent is gone, then end who is left."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    groups: dict[int, tuple[int, int]] = {}
    for line in sys.stdin.buffer:
        pid, *signals = map(int, line[1:].split())
        if line.startswith(b"+"):
            groups[pid] = (signals[0], signals[1])
        else:
            groups.pop(pid, None)
    end(groups)


def end(groups: dict[int, tuple[int, int]]) -> None:
    """Stop signal, grace, kill signal, a second, SIGKILL."""
    for pid, (stop, _) in groups.items():
        _signal(pid, stop)
    _wait(groups, GRACE_SECONDS)
    for pid, (_, kill) in groups.items():
        _signal(pid, kill)
    _wait(groups, 1.0)
    for pid in groups:
        _signal(pid, signal.SIGKILL)


def run(pipe: int, stop: int, kill: int, owner: tuple[int, int], argv: list[str]) -> None:
    """Register, then become `argv`; an owner of (-1, -1) keeps the user."""
    os.write(pipe, b"+%d %d %d\n" % (os.getpid(), stop, kill))
    os.set_inheritable(pipe, False)
    os.umask(0o077)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and exec would hand that on
    if owner != (-1, -1):
        os.setgroups([])
        os.setgid(owner[1])
        os.setuid(owner[0])
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - no shell is the point
    except OSError as error:
        sys.exit(f"{argv[0]} cannot be started: {error.strerror}")


def _signal(pid: int, number: int) -> bool:
    """Whether the group of `pid` is still there; macOS forbids signals to a group of zombies."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _wait(groups: dict[int, tuple[int, int]], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for pid in [pid for pid in groups if not _signal(pid, 0)]:
            del groups[pid]
        if not groups:
            return
        time.sleep(0.02)


def main(arguments: list[str]) -> None:
    """Choose the role."""
    if arguments[0] == "watch":
        with contextlib.suppress(OSError):
            watch()
    else:
        pipe, stop, kill, uid, gid = map(int, arguments[1:6])
        run(pipe, stop, kill, (uid, gid), arguments[6:])


if __name__ == "__main__":
    main(sys.argv[1:])
