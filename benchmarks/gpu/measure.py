"""Seconds and memory of work on a GPU; in a rehearsal, of tiny work on the CPU."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

PROMPT = "a red fox jumps over nine lazy dogs by the river, oil painting, golden hour"

ROUNDS = 5
TESTS = Path(__file__).parents[2] / "tests" / "helpers"


def helpers() -> None:
    """Let the models that the tests write be imported."""
    if str(TESTS) not in sys.path:
        sys.path.insert(0, str(TESTS))


def device(tiny: bool) -> str:
    """Where the work is done; a rehearsal needs no GPU."""
    return "cpu" if tiny else "cuda"


def settle() -> None:
    """Wait until the device has finished."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def timed(work: Callable[[], object]) -> float:
    """Seconds of a call; the device has finished whenever the clock is read."""
    settle()
    started = time.perf_counter()
    work()
    settle()
    return time.perf_counter() - started


def repeated(work: Callable[[], object]) -> list[float]:
    """Seconds of `ROUNDS` calls, after one that is not counted."""
    work()
    return [timed(work) for _ in range(ROUNDS)]


def forget() -> None:
    """Give freed memory back, and count the peak anew."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak() -> int:
    """Mebibytes of the GPU at most in use since the last reset; 0 without one."""
    return round(torch.cuda.max_memory_allocated() / 2**20) if torch.cuda.is_available() else 0


@contextmanager
def watched() -> Iterator[list[int]]:
    """A list that holds, after the block, how busy the GPU was in it: percent, about every fifth of a second;
    empty where nvidia-smi is not there.
    """
    seen: list[int] = []
    command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200"]
    try:
        asked = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        yield seen
        return
    try:
        yield seen
    finally:
        asked.terminate()
        lines = asked.communicate()[0].split()
        seen += [int(line) for line in lines if line.isdigit()]
