"""Progress of a run, on stderr: a bar with reward and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

EVERY = 10.0  # seconds between plain lines

Show = Callable[[Mapping[str, float]], None]


@contextmanager
def progress(last: int) -> Iterator[Show]:
    """Yield a function to call with each step's row, until the step `last`."""
    if sys.stderr.isatty():
        with _bar(last) as show:
            yield show
    else:
        yield _lines(last)


def words(row: Mapping[str, float]) -> str:
    """The reward of a step and the share of its prompts that taught nothing, where there are any."""
    reward = f"reward {row['reward']:.3f}" if "reward" in row else "no reward"
    return reward + (f", {row['skipped']:.0%} of the prompts skipped" if row["skipped"] else "")


@contextmanager
def _bar(last: int) -> Iterator[Show]:
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
        TextColumn("step"),
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns,
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(stderr=True),
    ) as bar:
        task = bar.add_task("", total=last)
        yield lambda row: bar.update(task, completed=row["step"], description=words(row))


def _lines(last: int) -> Show:
    start = said = time.monotonic()
    first = -1.0

    def show(row: Mapping[str, float]) -> None:
        nonlocal said, first
        now = time.monotonic()
        first = first if first >= 0 else row["step"] - 1  # where a resumed run began
        if now - said >= EVERY or row["step"] == last:
            said = now
            left = (now - start) / (row["step"] - first) * (last - row["step"])
            print(
                f"step {row['step']:.0f} of {last}: {words(row)}; {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    return show
