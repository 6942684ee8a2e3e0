"""What is said on stderr while one waits: that a ranker is loading, and the progress of a long run, by a bar
on a terminal and by a plain line every 15 seconds elsewhere.
"""

from __future__ import annotations

import dataclasses
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from rankkit.cli.console import say

if TYPE_CHECKING:
    from rankkit.core.types import Ranker
    from rankkit.registry.load import Prepared

EVERY = 15.0  # seconds between plain lines
SLOW = 5.0  # seconds after which a ranker that is not ready is said to be loading


def prepared(spec: str) -> Prepared:
    """As `rankkit.registry.load.prepare`; once it takes long to import or to load, that is said on stderr."""
    from rankkit.registry.load import prepare

    said = threading.Event()
    with _saying(f"loading {spec} …", said):
        found = prepare(spec)

    def load() -> Ranker:
        with _saying(f"loading {spec} …", said):
            return found.load()

    return dataclasses.replace(found, load=load)


@contextmanager
def _saying(text: str, said: threading.Event) -> Iterator[None]:
    """Say a text when what is inside takes longer than `SLOW`, unless it was said before."""

    def tell() -> None:
        if not said.is_set():
            said.set()
            say(text)

    timer = threading.Timer(SLOW, tell)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def progress(total: int, what: str = "scores") -> Iterator[Callable[[int], None]]:
    """Yield a function to call with the number of things newly done, out of `total`."""
    if sys.stderr.isatty() and total:
        with _bar(total, what) as advance:
            yield advance
    else:
        yield _lines(total, what)


@contextmanager
def following(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function to call with (done, total), for loops that learn their total as they go."""
    with ExitStack() as stack:
        advance: Callable[[int], None] | None = None
        before = 0

        def follow(done: int, total: int) -> None:
            nonlocal advance, before
            if advance is None:
                advance = stack.enter_context(progress(total, what))
            advance(done - before)
            before = done

        yield follow


@contextmanager
def _bar(total: int, what: str) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


def _lines(total: int, what: str) -> Callable[[int], None]:
    start = last = time.monotonic()
    done = 0

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last >= EVERY:
            last = now
            rate = done / (now - start)
            print(
                f"{done} of {total} {what}, {rate:.1f} a second, {(total - done) / rate:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    return advance
