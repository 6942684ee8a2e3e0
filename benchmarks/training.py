"""What training does to the shapes generator, on held-out prompts, over seeds, beside controls that must not
learn or must unlearn.

    python benchmarks/training.py [--arms reward random reversed] [--seeds 1 2 3 4 5] [--split tuning]
        [--every N] [field=value ...]

Each run trains the recipe ``shapes`` with the settings given, then samples the final prompts (disjoint from
the training ones, 48 prompts with 10 fixed noises each) with the averaged weights, and appends one row to
``results/training.jsonl``. Nothing is selected: steps and settings are fixed before, and every run that
finished is a row. An arm is what the trainer hears of the ranker's verdicts; ``curve`` is in every arm what
the ranker itself thinks of each step's candidates (for the recipe's own, the graded reward in [0, 1]).
``crowded`` is, per task, the share of images with more objects than were asked for, before and after:
GenEval's rule, and so the strict verdict, forbids them in counting alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.paper.published import published
from drpo import build
from drpo.anchors import RankedAnchors
from drpo.config import Config
from drpo.data import prompts as prompt_files
from drpo.generators.one_step import OneStep
from drpo.settings import with_settings
from drpo.shapes.corpus import draws, scene
from drpo.shapes.detector import Shapes
from drpo.shapes.render import render
from drpo.shapes.world import TASKS, Split, parse, prompts
from drpo.train import Trainer
from drpo.types import fixed_seeds
from rankkit import Group, Ranker, Ranking
from rankkit.plugin import clustered_mean

RESULTS = Path(__file__).parent / "results" / "training.jsonl"
EACH = 10  # noises per prompt
Floats = NDArray[np.float64]
Arm = Callable[[Ranking], Ranking]


class Watched:
    """What an arm makes of a ranker's verdicts; the ranker's own mean score of every group is kept."""

    def __init__(self, ranker: Ranker, arm: Arm) -> None:
        self.ranker, self.arm, self.means = ranker, arm, list[float]()

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        """The arm's verdicts."""
        rankings = self.ranker.rank(groups)
        self.means += [float(np.mean(ranking.scores)) for ranking in rankings]
        return [self.arm(ranking) for ranking in rankings]


def arms(seed: int) -> dict[str, Arm]:
    """The ranker as it is, seeded noise in its place, and its order upside down."""
    rng = np.random.default_rng(seed)
    return {
        "reward": lambda ranking: ranking,
        "random": lambda ranking: Ranking(tuple(rng.standard_normal(len(ranking.scores)))),
        "reversed": lambda ranking: Ranking(tuple(-score for score in ranking.scores)),
    }


def main() -> None:
    """Run every arm with every seed, one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arms", nargs="+", default=list(arms(0)), choices=list(arms(0)))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--split", default="final", choices=["final", "tuning"])
    parser.add_argument(
        "--every",
        type=int,
        default=0,
        help="measure along the run too, each so many steps (not counted as its time)",
    )
    parser.add_argument("--note", default="")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("settings", nargs="*")
    options = parser.parse_intermixed_args()
    torch.set_num_threads(1)
    for arm in options.arms:
        for seed in options.seeds:
            config = with_settings(published(), [*options.settings, f"seed={seed}"])
            row = {
                "date": f"{datetime.date.today()}",
                "arm": arm,
                "seed": seed,
                "split": options.split,
                "note": options.note,
            }
            row |= one_run(config, arm, options.split, options.every) | {"config": dataclasses.asdict(config)}
            with open(options.out, "a") as file:
                file.write(json.dumps(row) + "\n")
            print(
                json.dumps(
                    {name: value for name, value in row.items() if name not in ("curve", "along", "config")}
                ),
                flush=True,
            )


def one_run(config: Config, arm: str, split: Split, every: int = 0) -> dict[str, Any]:
    """Train once and measure before and after; all figures of one row."""
    torch.manual_seed(config.seed)
    generator = build.generator(config)
    assert isinstance(generator, OneStep)
    ranker = build.ranker(config.ranker)
    watched = Watched(ranker, arms(config.seed)[arm])
    source = RankedAnchors(watched, config, prompt_files.prompts(config.prompts))
    trainer = Trainer(config, generator, build.features(config, generator), source)
    before = measure(generator, ranker, split)
    rows, along, seconds, busy = list[dict[str, float]](), list[dict[str, float]](), 0.0, 0.0
    for step in range(1, config.steps + 1):
        started, began = time.time(), time.process_time()
        rows.append(trainer.step())
        seconds, busy = seconds + time.time() - started, busy + time.process_time() - began
        if step == config.steps or (every and step % every == 0):
            with trainer.averaged():
                after = measure(generator, ranker, split)
            along.append({"step": step, **at_a_glance(before, after)})
    phases = {
        name: round(float(np.mean([row[name] for row in rows])), 3)
        for name in rows[0]
        if name.startswith("s_")
    }
    scores = {"before": round(before.score.mean(), 4), "after": round(after.score.mean(), 4)}
    return summary(before, after, split) | {
        "score": scores | {"gain_95": interval((after.score - before.score).mean(1), digits=4)},
        "diversity_flawless": round(flawless(generator, split) / before.spread, 3),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(busy, 1),
        "load": round(os.getloadavg()[0], 1),
        "seconds_per_step": phases,
        "peak_mb": round(rows[-1]["peak_mb"]),
        "curve": [round(float(np.mean(part)), 3) for part in np.array_split(watched.means, config.steps)],
        **({"along": along} if every else {}),
    }


@dataclasses.dataclass(frozen=True)
class Measured:
    """Strict passes, images with more objects than were asked for, and the ranker's scores, each (prompts,
    EACH); and the mean latent distance between samples of one prompt.
    """

    passed: Floats
    crowded: Floats
    score: Floats
    spread: float


def at_a_glance(before: Measured, now: Measured) -> dict[str, float]:
    """Strict, the share of images with too many objects, and the diversity against the start's."""
    shares = {
        "strict": now.passed.mean(),
        "crowded": now.crowded.mean(),
        "diversity": now.spread / before.spread,
    }
    return {name: round(float(share), 4) for name, share in shares.items()}


def measure(generator: OneStep, ranker: Ranker, split: Split) -> Measured:
    """The generator as it is now, on fixed noises."""
    strict, passed, crowded, scores, spread = Shapes(mode="strict"), [], [], [], []
    for prompt, noise in held_out(generator, split):
        with torch.no_grad():
            sample = generator.sample(prompt, noise)
        group = sample.group()
        verdict, asked = strict.rank([group])[0], sum(clause.count for clause in parse(prompt).clauses)
        passed.append(verdict.scores)
        crowded.append([float(len(details["objects"]) > asked) for details in verdict.details])
        scores.append(ranker.rank([group])[0].scores)
        spread.append(torch.pdist(sample.latents.float().flatten(1)).mean().item())
    return Measured(np.array(passed), np.array(crowded), np.array(scores), float(np.mean(spread)))


def flawless(generator: OneStep, split: Split) -> float:
    """The diversity, as in `measure`, of images that the corpus without its mistakes would give the same
    prompts and noises.
    """
    spread = []
    for prompt, noise in held_out(generator, split):
        rendered = render([scene(parse(prompt), u, mistakes=0.0) for u in draws(noise.float().cpu().numpy())])
        with torch.no_grad():
            latents = generator.encode_pixels(
                torch.from_numpy(rendered).permute(0, 3, 1, 2).float() / 127.5 - 1
            )
        spread.append(torch.pdist(latents.float().flatten(1)).mean().item())
    return float(np.mean(spread))


def held_out(generator: OneStep, split: Split) -> Iterator[tuple[str, torch.Tensor]]:
    """Every prompt of the split with its fixed noises."""
    for index, prompt in enumerate(prompts(split)):
        yield prompt, generator.noise(EACH, next(fixed_seeds(2026, index)))


def summary(before: Measured, after: Measured, split: Split) -> dict[str, Any]:
    """Strict before and after, in all and per task, with 95 % intervals of the gains over prompts; crowded;
    diversity.
    """
    task = np.array([parse(prompt).task for prompt in prompts(split)])
    gain = (after.passed - before.passed).mean(1)
    per_task = {
        name: {
            "before": round(before.passed[task == name].mean(), 3),
            "after": round(after.passed[task == name].mean(), 3),
            "gain_95": interval(gain[task == name]),
        }
        for name in TASKS
    }
    return {
        "before": round(before.passed.mean(), 4),
        "after": round(after.passed.mean(), 4),
        "gain_95": interval(gain),
        "tasks": per_task,
        "crowded": {
            name: [round(one.crowded[task == name].mean(), 3) for one in (before, after)] for name in TASKS
        },
        "diversity": round(after.spread / before.spread, 3),
    }


def interval(gain: Floats, *, digits: int = 3) -> list[float]:
    """95 % interval of a mean over prompts."""
    return [round(edge, digits) for edge in clustered_mean(gain).interval()]


if __name__ == "__main__":
    main()
