"""What `overlap=one_step` costs in learning and saves in waiting, beside `overlap=exact`.

    python -m benchmarks.overlap curve [--seeds 1 2 3] [--steps 60] [field=value ...]
    python -m benchmarks.overlap time [--rounds 5] [field=value ...]

`curve`: the published method both ways over equal seeds and numbers of images, and what it gained on the
tuning prompts halfway and at the end. `time`: four updates each way in turn, of which the first is not
counted, in one process, with a ranker that sleeps as long as an update takes without it. A row in
results/overlap.jsonl.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import torch

from benchmarks.paper.published import published
from benchmarks.record import ratio, record, spread
from benchmarks.training import one_run
from drpo import build
from drpo.anchors import RankedAnchors
from drpo.config import Config
from drpo.data import prompts as prompt_files
from drpo.settings import with_settings
from drpo.train import Trainer
from rankkit import Group, Ranker, Ranking

WAYS: tuple[Literal["exact", "one_step"], ...] = ("exact", "one_step")
RUN = 4  # updates of one way in turn
SMALL = ("prompts_per_step=2", "group_size=16", "anchors=6")  # what settings are where none are given


class Sleeps:
    """A ranker on another machine, as far as this one is concerned: it answers after some seconds."""

    elsewhere = True

    def __init__(self, ranker: Ranker) -> None:
        self.ranker, self.seconds = ranker, 0.0

    def rank(self, groups: Sequence[Group]) -> Sequence[Ranking]:
        """The ranker's answer, later."""
        time.sleep(self.seconds)
        return self.ranker.rank(groups)


def main() -> None:
    """Parse, measure, print the row."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overlap",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("curve", "time"))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("settings", nargs="*", default=SMALL)
    given = parser.parse_intermixed_args()
    torch.set_num_threads(1)
    settings = list(given.settings or SMALL)
    config = with_settings(published(), [f"steps={given.steps}", *settings])
    words = [f"--seeds {' '.join(map(str, given.seeds))} --steps {given.steps}", f"--rounds {given.rounds}"]
    command = f"python -m benchmarks.overlap {given.what} {words[given.what == 'time']} {' '.join(settings)}"
    measure = (
        partial(curve, config, given.seeds) if given.what == "curve" else partial(times, config, given.rounds)
    )
    print(json.dumps(record("overlap", given.what, command, measure), indent=1))


def curve(config: Config, seeds: Sequence[int]) -> dict[str, Any]:
    """Per seed and way: strict before, halfway and after, the graded score, diversity."""
    rows = list[dict[str, Any]]()
    for seed in seeds:
        for way in WAYS:
            found = one_run(
                dataclasses.replace(config, seed=seed, overlap=way), "reward", "tuning", config.steps // 2
            )
            kept = ("before", "after", "gain_95", "score", "along", "curve", "diversity", "cpu_seconds")
            rows.append({"seed": seed, "overlap": way} | {name: found[name] for name in kept})
            print(json.dumps(rows[-1]), flush=True)
    return {"images": config.steps * config.prompts_per_step * config.group_size, "rows": rows}


def times(config: Config, rounds: int) -> dict[str, Any]:
    """Seconds of an update each way, and those of them that it waited for the ranker."""
    config = dataclasses.replace(config, steps=RUN * (rounds + 2) + 1)  # the last one makes nothing ahead
    trainers, rankers = dict[str, Trainer](), list[Sleeps]()
    for way in WAYS:
        mine = dataclasses.replace(config, overlap=way)
        torch.manual_seed(config.seed)
        generator = build.generator(mine)
        rankers.append(Sleeps(build.ranker(mine.ranker)))
        source = RankedAnchors(rankers[-1], mine, prompt_files.prompts(mine.prompts))
        trainers[way] = Trainer(mine, generator, build.features(mine, generator), source)
    awake = statistics.median(spent for _ in range(2) for spent, _ in _updates(trainers["exact"]))
    for ranker in rankers:
        ranker.seconds = awake
    found = {way: list[tuple[float, float]]() for way in WAYS}
    for _ in range(rounds):
        for way, trainer in trainers.items():
            found[way] += _updates(trainer)
    seconds = {way: [spent for spent, _ in each] for way, each in found.items()}
    return {
        "updates": len(seconds["exact"]), "ranker sleeps": round(awake, 2),
        "seconds": {way: spread(each) for way, each in seconds.items()},
        "of these waited": {way: spread([waited for _, waited in each]) for way, each in found.items()},
        "times as fast": ratio(seconds["exact"], seconds["one_step"]),
    }  # fmt: skip


def _updates(trainer: Trainer) -> list[tuple[float, float]]:
    """Seconds, and those that ranking took, of all but the first of some updates, before which an answer may
    have come while others ran.
    """
    spent = list[tuple[float, float]]()
    for _ in range(RUN):
        started = time.perf_counter()
        row = trainer.step()
        spent.append((time.perf_counter() - started, row["s_rank"]))
    return spent[1:]


if __name__ == "__main__":
    main()
