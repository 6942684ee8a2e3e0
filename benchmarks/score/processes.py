"""Processes of the command, run to their end and measured."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def run(
    command: Sequence[str], place: Path | None = None, ok: Sequence[int] = (0,)
) -> tuple[float, float, float]:
    """Wall seconds, the MiB of memory that the process had at most, and the seconds of CPU it took."""
    start = time.perf_counter()
    running = subprocess.Popen(
        command, cwd=place, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(running.pid, 0)
    seconds = time.perf_counter() - start
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode not in ok:
        raise SystemExit(f"{' '.join(command)} ended with {running.returncode}")
    return (
        seconds,
        usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),
        usage.ru_utime + usage.ru_stime,
    )


def environment(*folders: Path) -> dict[str, str]:
    """That of a process which finds the modules of these folders, and this checkout's packages."""
    path = [*map(str, folders), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}
