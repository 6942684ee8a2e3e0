"""Processes of the command and their children, found and killed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.score.processes import environment

RANKKIT = (sys.executable, "-m", "rankkit")


def start(command: Sequence[str], place: Path, **more: str) -> subprocess.Popen[bytes]:
    """A command in a folder whose modules it finds; what it says goes nowhere."""
    return subprocess.Popen(
        list(command),
        cwd=place,
        env=_environment(place) | more,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@contextlib.contextmanager
def served(command: Sequence[str], place: Path, sign: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A command that serves, and the address it said after `sign`; killed at the end."""
    process = subprocess.Popen(
        list(command),
        cwd=place,
        env=_environment(place),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        line = ""
        while sign not in line:
            line = process.stderr.readline()
            if not line:
                raise SystemExit(f"{' '.join(command)} ended before it served")
        yield process, line.split(sign)[1].split(";")[0].strip()
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def kill(pid: int | None) -> bool:
    """Send SIGKILL; whether there was somebody to receive it."""
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def below(pid: int, pattern: str) -> list[int]:
    """What a process started, and what that started, where the command line matches somewhere."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = stat.read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, waiting = [], [pid]
    while waiting:
        for child in parents.get(waiting.pop(), []):
            waiting.append(child)
            with contextlib.suppress(OSError):
                line = Path(f"/proc/{child}/cmdline").read_bytes().decode("utf-8", "replace")
                if re.search(pattern, line):
                    found.append(child)
    return found


def _environment(place: Path) -> dict[str, str]:
    return environment(place) | {"OMP_NUM_THREADS": "1"}
