"""Work done ahead in threads, in order.

Images are read and decoded while the ranker is busy with those before them.

Threads and queues that are one C call each, not `threading` and `concurrent.futures`: there Ctrl-C can strike
between the taking of a lock and the `with` that gives it back, and the program then waits for its own threads
for ever. Nobody waits for these, but for a moment at the end, in which they let go of what they work with.
"""

from __future__ import annotations

import contextlib
import math
import os
from _thread import start_new_thread
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from PIL import Image

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds of CPU, or max, in so many of the clock


def cores() -> int:
    """How many cores this program may use: those it may run on, and no more than a container's share."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # no container, or no limit
        share, period = map(int, QUOTA.read_text("ascii").split())
        return max(1, min(allowed, math.ceil(share / period)))
    return allowed


THREADS = min(32, cores() + 4)
AHEAD = min(32, 4 * cores())  # items under way at most, unless told otherwise
PIXELS = 2**26  # and about as many pixels: 64 megapixels are 200 MB of RGB
MOMENT = 1.0  # seconds for an item under way where the results are no longer wanted

T = TypeVar("T")
R = TypeVar("R")


def prefetch(
    items: Iterable[T],
    function: Callable[[T], R],
    pixels: Callable[[R], int] = lambda result: 0,
    *,
    ahead: int = AHEAD,
) -> Iterator[tuple[T, R]]:
    """Items with the function's results, in order.

    At most `ahead` of them under way, fewer while the results have many pixels. Where it ends, early too, no
    thread holds the function any more, unless an item takes longer than `MOMENT`.
    """
    tasks: SimpleQueue[Any] = SimpleQueue()
    ended: SimpleQueue[None] = SimpleQueue()
    waiting: deque[tuple[T, SimpleQueue[Any]]] = deque()
    most, started = 1, 0
    try:
        for _ in range(THREADS):
            start_new_thread(_work, (tasks, ended))
            started += 1
        for item in items:
            waiting.append((item, SimpleQueue()))
            tasks.put((function, *waiting[-1]))
            while len(waiting) >= most:
                first, result = _next(waiting)
                most = max(1, min(2 * most, ahead, PIXELS // max(1, pixels(result))))
                yield first, result
        while waiting:
            yield _next(waiting)
    finally:
        with contextlib.suppress(Empty):  # what nobody wants any more is not begun
            while True:
                tasks.get_nowait()
        for _ in range(THREADS):
            tasks.put(None)
        with contextlib.suppress(Empty):
            for _ in range(started):
                ended.get(timeout=MOMENT)


def map_images(function: Callable[[Image.Image], R], images: Sequence[Image.Image]) -> list[R]:
    """The function's result for every image, in order, computed on several threads.

    Pillow resizes outside of Python's lock, so that preparing images for a model uses every core. Not for a
    function that runs PyTorch, which has threads of its own.
    """
    for image in images:
        # a file that was opened and not read yet is read here: loading is not safe in several threads
        image.load()
    return [result for _, result in prefetch(images, function)]


def _next(waiting: deque[tuple[T, SimpleQueue[Any]]]) -> tuple[T, Any]:
    item, answer = waiting.popleft()
    result, error = answer.get()
    if error is not None:
        raise error
    return item, result


def _work(tasks: SimpleQueue[Any], ended: SimpleQueue[None]) -> None:
    while (task := tasks.get()) is not None:
        function, item, answer = task
        try:
            answer.put((function(item), None))
        except BaseException as error:  # it is raised where the result is wanted
            answer.put((None, error))
        del task, function, item, answer  # nothing is held while there is nothing to do
    ended.put(None)
