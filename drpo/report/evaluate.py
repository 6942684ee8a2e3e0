"""A finished run against its base: the same prompts and noises, any rankers, paired."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from drpo.anchors import reasons
from drpo.run.paired import duels, outcome
from drpo.run.sample import read_config, trained
from drpo.types import Generator, Prompt, fixed_seeds
from rankkit import Group, Ranker, Ranking
from rankkit.plugin import clustered_mean, rank_groups, verdict, win_interval


@dataclass(frozen=True, slots=True)
class BaseComparison:
    """One ranker's comparison of a run with its base: the share of pairs in which the trained image is
    preferred, ties half a win.

    `low` and `high` are the 95 % interval of that share and `p_value` its test against one half, prompts as
    clusters (`rankkit.plugin.win_interval`). `pairs` were ranked, `abstained` could not be. `before` and
    `after` are mean scores of the base's and the run's images, `gain_low` and `gain_high` the 95 % interval
    of their difference; None where scores mean something within one group only, or prompts are too few.
    """

    ranker: str
    win_rate: float
    low: float
    high: float
    p_value: float
    pairs: int
    abstained: int
    before: float | None = None
    after: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None

    @property
    def verdict(self) -> str:
        """Who is preferred, in words, or that it could be chance."""
        return verdict(self.low, self.high, "the run is preferred", "the base is preferred")

    def as_json(self) -> dict[str, Any]:
        """The numbers as JSON holds them: null where there is no win rate."""
        fields = asdict(self)
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in fields.items()
        }

    def __str__(self) -> str:
        if not self.pairs:
            return f"{self.ranker}: all {self.abstained} pairs abstained"
        means = "" if self.before is None else f"mean {self.before:.4g} -> {self.after:.4g}, "
        lost = f", {self.abstained} abstained" if self.abstained else ""
        interval = f"95 % interval {self.low:.1%} to {self.high:.1%}"
        wins = f"wins {self.win_rate:.1%} of {self.pairs} pairs{lost}"
        return f"{self.ranker}: {means}{wins}, {interval}: {self.verdict}"


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A run's comparison with its base: the prompts, a group of two per pair (the trained image first), and
    what every ranker said of each.
    """

    prompts: Sequence[Prompt]
    groups: Sequence[Group]
    rankings: Mapping[str, Sequence[Ranking]]

    @property
    def comparisons(self) -> list[BaseComparison]:
        """Every ranker's comparison over all pairs."""
        return [compared(name, self.groups, rankings) for name, rankings in self.rankings.items()]

    @property
    def troubles(self) -> list[str]:
        """Of every ranker that left images out: how many, and why the first."""
        missing = {
            name: [why for one in said for why in reasons(one)] for name, said in self.rankings.items()
        }
        return [f"{name}: {len(why)} images got no score: {why[0]}" for name, why in missing.items() if why]


def evaluate(
    run: Path, rankers: Mapping[str, Ranker], prompts: Sequence[Prompt], *, each: int = 4, seed: int = 0
) -> Evaluated:
    """Let every ranker compare `each` images per prompt of a run with its base's from the same noises."""
    generator = trained(read_config(run, say=True), run)
    groups = [
        group
        for index, prompt in enumerate(prompts)
        for group in pairs(generator, prompt, each, next(fixed_seeds(seed, index)))
    ]
    rankings = {name: rank_groups(ranker, groups, name) for name, ranker in rankers.items()}
    return Evaluated(prompts, groups, rankings)


def pairs(generator: Generator, prompt: Prompt, each: int, seed: int) -> list[Group]:
    """One group per noise: the trained image first, the base's second."""
    noise = generator.noise(each, seed)
    with torch.no_grad():
        after = generator.sample(prompt.text, noise)
        with generator.reference():
            return duels(after, generator.sample(prompt.text, noise), prompt.metadata)


def compared(name: str, groups: Sequence[Group], rankings: Sequence[Ranking]) -> BaseComparison:
    """What a ranker said of groups of two, the trained image first; groups of one prompt are one cluster.

    A pair with a candidate that got no score has abstained.
    """
    outcomes = [outcome(ranking) for ranking in rankings]
    numbers = {
        prompt: number for number, prompt in enumerate(dict.fromkeys(group.prompt for group in groups))
    }
    ranked = [at for at, won in enumerate(outcomes) if not math.isnan(won)]
    clusters = [numbers[groups[at].prompt] for at in ranked]
    rate = win_interval([outcomes[at] for at in ranked], clusters)
    abstained = len(outcomes) - len(ranked)
    means = _means([rankings[at] for at in ranked], clusters)
    return BaseComparison(name, rate.rate, rate.low, rate.high, rate.p_value, len(ranked), abstained, *means)


def _means(ranked: Sequence[Ranking], clusters: Sequence[int]) -> tuple[float | None, ...]:
    """Mean scores before and after, and the interval of what was gained, over the pairs that were ranked, if
    scores of several groups compare.
    """
    if not ranked or any(ranking.kind != "pointwise" for ranking in ranked):
        return None, None, None, None
    after, before = zip(*(ranking.scores for ranking in ranked), strict=True)
    gain = clustered_mean([new - old for new, old in zip(after, before, strict=True)], clusters)
    ends = (None, None) if math.isnan(gain.stderr) else gain.interval()
    return math.fsum(before) / len(ranked), math.fsum(after) / len(ranked), *ends
