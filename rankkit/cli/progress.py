"""Progress of a long run, on stderr: a bar on a terminal, a plain line every 15 seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

EVERY = 15.0  # seconds between plain lines


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
