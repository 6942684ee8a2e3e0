"""What is run: one try on the tuning prompts for each, then the fresh seeds of the paper's tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.improve.variants import METHOD, VARIANTS, made
from benchmarks.paper import rows as kept
from benchmarks.paper.plan import SEEDS, TUNING_SEED
from benchmarks.paper.rows import Row
from benchmarks.paper.runs import Run, execute
from benchmarks.record import RESULTS

FILE = RESULTS / "improve.jsonl"


def run_of(name: str, seed: int) -> Run:
    """A variant's run; those of the tuning seed are shorter, and measured on the tuning prompts."""
    split = "tuning" if seed == TUNING_SEED else "final"
    return Run(METHOD + name, VARIANTS[name].settings, seed, split)


def default_of(name: str, seed: int) -> Run:
    """The published method's run that a variant's is compared with."""
    return Run("drpo", VARIANTS[name].beside, seed, run_of(name, seed).split)


def rows(file: Path = FILE) -> list[Row]:
    """Every row, those of the paper's tables first: the published method is among them."""
    return [*kept.read(), *kept.read(file)]


def missing(names: Sequence[str], seeds: int, known: Sequence[Row]) -> list[Run]:
    """What is to be run: tries of all, then seed by seed, the published method's beside each."""
    wanted = dict.fromkeys(_wanted(names, seeds))
    return [run for run in wanted if kept.find(known, run) is None]


def _wanted(names: Sequence[str], seeds: int) -> Iterator[Run]:
    for seed in (TUNING_SEED, *SEEDS[:seeds]):
        for name in names:
            yield from (default_of(name, seed), run_of(name, seed))


def go_on(names: Sequence[str], seeds: int, file: Path = FILE) -> Iterator[Row]:
    """Run what is missing, one after the other; a row each as it ends, kept before it is given."""
    while todo := missing(names, seeds, rows(file)):
        command = f"python -m benchmarks.improve run {todo[0].method.removeprefix(METHOD)}"
        row = execute(todo[0], made, command if todo[0].method.startswith(METHOD) else "")
        kept.append({**row, "benchmark": "improve"}, file)
        yield row
