"""Seconds and memory of work on a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

PROMPT = "a red fox jumps over nine lazy dogs by the river, oil painting, golden hour"

ROUNDS = 5


def repeated(work: Callable[[], object]) -> list[float]:
    """Seconds of `ROUNDS` calls, after one that is not counted; the device has finished whenever the clock is
    read.
    """
    work()
    seconds = []
    for _ in range(ROUNDS):
        torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return seconds


def peak() -> int:
    """Mebibytes of the GPU at most in use since the last reset."""
    return round(torch.cuda.max_memory_allocated() / 2**20)
