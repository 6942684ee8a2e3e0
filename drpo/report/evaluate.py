"""A finished run against its base: the same prompts and noises, any rankers, paired."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from drpo.run.paired import duels, outcome
from drpo.run.sample import read_config, trained
from drpo.types import Generator, fixed_seeds
from rankkit import Group, Ranker, Ranking

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one ranker says of a run: the share of pairs in which the trained picture beats the base's (ties
    half), with its interval.

    `low` and `high` bound 95 % of bootstrap samples over prompts. `pairs` were ranked, `abstained` could not
    be. `before` and `after` are mean scores of the base's and the run's pictures, None where scores mean
    something within one group only.
    """

    ranker: str
    win_rate: float
    low: float
    high: float
    pairs: int
    abstained: int
    before: float | None = None
    after: float | None = None

    def __str__(self) -> str:
        doubt = "" if self.low > 0.5 or self.high < 0.5 else "  (not significant)"
        means = "" if self.before is None else f"mean {self.before:.4g} -> {self.after:.4g}, "
        lost = f", {self.abstained} abstained" if self.abstained else ""
        won = f"wins {self.win_rate:.1%} of {self.pairs} pairs{lost}, 95 % interval {self.low:.1%} to {self.high:.1%}{doubt}"
        return (
            f"{self.ranker}: {means}{won}"
            if self.pairs
            else f"{self.ranker}: all {self.abstained} pairs abstained"
        )


def evaluate(
    run: Path, rankers: Mapping[str, Ranker], prompts: Sequence[str], *, each: int = 4, seed: int = 0
) -> list[Verdict]:
    """Let every ranker compare `each` pictures per prompt of a run with its base's from the same noises."""
    generator = trained(read_config(run), run)
    groups = [
        group
        for index, prompt in enumerate(prompts)
        for group in pairs(generator, prompt, each, next(fixed_seeds(seed, index)))
    ]
    return [verdict(name, ranker, groups, each) for name, ranker in rankers.items()]


def pairs(generator: Generator, prompt: str, each: int, seed: int) -> list[Group]:
    """One group per noise: the trained picture first, the base's second."""
    noise = generator.noise(each, seed)
    with torch.no_grad():
        after = generator.sample(prompt, noise)
        with generator.reference():
            return duels(after, generator.sample(prompt, noise))


def verdict(name: str, ranker: Ranker, groups: Sequence[Group], each: int) -> Verdict:
    """One ranker's verdict over groups that come `each` per prompt."""
    rankings = ranker.rank(groups)
    outcomes = np.array([outcome(ranking) for ranking in rankings]).reshape(-1, each)
    ranked = np.isfinite(outcomes)
    won, count = np.where(ranked, outcomes, 0).sum(1), ranked.sum(1)
    total = int(count.sum())
    rate = float(won.sum() / total) if total else math.nan
    return Verdict(name, rate, *_interval(won, count), total, int((~ranked).sum()), *_means(rankings))


def _interval(won: Floats, count: Floats) -> tuple[float, float]:
    drawn = np.random.default_rng(0).integers(len(won), size=(5000, len(won)))
    low, high = np.quantile(won[drawn].sum(1) / np.maximum(count[drawn].sum(1), 1), [0.025, 0.975])
    return float(low), float(high)


def _means(rankings: Sequence[Ranking]) -> tuple[float | None, float | None]:
    """Mean scores before and after, over the pairs that were ranked."""
    if any(ranking.kind != "pointwise" for ranking in rankings):
        return None, None
    ranked = [ranking.scores for ranking in rankings if not math.isnan(sum(ranking.scores))]
    return (
        (math.fsum(b for _, b in ranked) / len(ranked), math.fsum(a for a, _ in ranked) / len(ranked))
        if ranked
        else (None, None)
    )
