"""The order of runs: table by table, a seed at a time, tries of baselines before these, in processes of their
own."""

from __future__ import annotations

import multiprocessing
import statistics
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

from benchmarks.baselines import METHODS
from benchmarks.baselines.proxy import trained
from benchmarks.paper import rows as kept
from benchmarks.paper import runs
from benchmarks.paper.plan import TUNING_SEED, Arm, Table, seeds_of
from benchmarks.paper.published import published
from benchmarks.paper.rows import FILE, Row
from benchmarks.paper.runs import KNOB, Run, execute
from drpo import build
from drpo.generators.one_step import OneStep
from rankkit.plugin import describe

GUESS = {"best_of:4": 20.0, "best_of:32": 80.0}  # CPU seconds, before a run was measured
PER_PROMPT = 0.2  # CPU seconds of one prompt's turn, likewise


def tries(method: str, *, quick: bool = False) -> list[Run]:
    """The runs a baseline is tuned with, on the tuning prompts and with a seed apart."""
    return [
        Run(method, (f"learning_rate={rate}", f"{KNOB}{knob}"), TUNING_SEED, "tuning", quick)
        for rate, knob in METHODS[method].tries
    ]


def chosen(method: str, rows: Sequence[Row], *, quick: bool = False) -> Run | None:
    """The try that was right most often; in a short run the first, for want of tries. None while some are
    missing.
    """
    if quick:
        return tries(method)[0]
    found = [(run, kept.find(rows, run)) for run in tries(method)]
    if any(row is None for _, row in found):
        return None
    return max(found, key=lambda one: (one[1] or {}).get("after") or 0.0)[0]


def run_of(arm: Arm, seed: int, rows: Sequence[Row], *, quick: bool) -> Run | None:
    """The run behind an arm's line; None for a baseline that is not tuned yet."""
    if arm.method not in METHODS:
        return Run(arm.method, arm.settings, seed, "final", quick)
    best = chosen(arm.method, rows, quick=quick)
    return best and replace(best, seed=seed, split="final", quick=quick)


def missing(tables: Sequence[Table], seeds: int, rows: Sequence[Row], *, quick: bool) -> list[Run]:
    """What is to be run next: tuning runs that are missing, and the runs whose settings are known."""
    wanted = dict.fromkeys(_wanted(tables, seeds, rows, quick))
    return [run for run in wanted if kept.find(rows, run) is None]


def _wanted(tables: Sequence[Table], seeds: int, rows: Sequence[Row], quick: bool) -> Iterator[Run]:
    for table in tables:
        for seed in seeds_of(quick)[:seeds]:
            yield from (run for arm in table.arms if (run := run_of(arm, seed, rows, quick=quick)))
        if not quick:
            for method in dict.fromkeys(arm.method for arm in table.arms if arm.method in METHODS):
                yield from tries(method)


def seconds(run: Run, rows: Sequence[Row]) -> float:
    """CPU seconds that a run takes, by like runs that were measured, else by a guess."""
    like = [
        row["cpu_seconds"] for row in rows if _alike(row, run)
    ]  # fmt: skip
    if like:
        return float(statistics.median(like))
    config = run.config()
    return GUESS.get(run.method, PER_PROMPT * config.steps * config.prompts_per_step)


def _alike(row: Row, run: Run) -> bool:
    return all(row[name] == getattr(run, name) for name in ("method", "quick", "split"))


def go_on(tables: Sequence[Table], seeds: int, processes: int, *, quick: bool, file: Path = FILE) -> int:
    """Run what is missing until nothing is; a row each as it ends. Returns how many runs failed.

    What comes next is decided whenever a process is free, since the last try of a baseline says with which
    settings it goes on.
    """
    failed, running = set[Run](), dict[Future[Row], Run]()
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        while True:
            busy = failed | set(running.values())
            todo = [run for run in missing(tables, seeds, kept.read(file), quick=quick) if run not in busy]
            for run in todo[: processes - len(running)]:
                prepare(run)
                running[pool.submit(execute, run)] = run
            if not running:
                return len(failed)
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                ended = running.pop(future)
                if _ended(ended, future, file) is None:
                    failed.add(ended)


def _ended(run: Run, future: Future[Row], file: Path) -> Row | None:
    """The row of a run that ended, kept; None, and why, of one that failed."""
    if error := future.exception():
        _say(f"{run.method} {' '.join(run.settings)} seed {run.seed} failed: {describe(error)}")
        return None
    kept.append(future.result(), file)
    _say(told(future.result()))
    return future.result()


def prepare(run: Run) -> None:
    """What several runs share, made once before the first of them starts."""
    if run.method in METHODS and METHODS[run.method].needs_gradient and not runs.PROXY.is_file():
        generator = build.generator(published())
        assert isinstance(generator, OneStep)
        trained(generator, runs.PROXY)
    if any(setting.startswith("offline=") for setting in run.settings):
        runs.preferences_from_base()


def told(row: Row) -> str:
    """A finished run in one line."""
    end = (
        row.get("diverged") or f"{row['before']:.3f} to {row['after']:.3f}, diversity {row['diversity']:.2f}"
    )
    settings = " ".join(row["settings"]) or "as the recipe"
    start = f"{row['method']} ({settings}) seed {row['seed']} on {row['split']}"
    return f"{start}: {end}; {row['wall_seconds']:.0f} s"


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
