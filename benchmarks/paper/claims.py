"""What the paper claims, judged by differences between runs of a seed: holds, does not, or cannot tell."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import t as student

from benchmarks.paper.plan import Claim
from benchmarks.paper.rows import Row

Gains = Mapping[str, Mapping[int, float]]
"""Per arm and seed, what was gained over the base."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict in words, the mean difference, its 95 % interval over seeds, what it was compared with."""

    verdict: str
    difference: float
    interval: tuple[float, float]
    seeds: int
    against: str = ""


def judged(claim: Claim, gains: Gains) -> Judged | None:
    """The verdict on a claim; None where one of its arms has no run."""
    known = {**_base(gains), **gains}
    others = [name for name in claim.right if known.get(name)]
    if not known.get(claim.left) or len(others) < len(claim.right):
        return None
    best = max(others, key=lambda name: statistics.fmean(known[name].values()), default="")
    seeds = sorted(known[claim.left].keys() & (known[best].keys() if best else known[claim.left].keys()))
    if not seeds:
        return None
    right = known[best] if best else dict.fromkeys(seeds, 0.0)
    differences = [known[claim.left][seed] - claim.factor * right[seed] for seed in seeds]
    low, high = interval(differences)
    verdict = _alike(low, high, claim.margin) if claim.alike else _above(low, high, claim.margin)
    return Judged(verdict, statistics.fmean(differences), (low, high), len(seeds), best)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the mean over seeds, by Student's t; without bounds for a single seed."""
    if len(values) < 2:
        return -math.inf, math.inf
    half = float(student.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return statistics.fmean(values) - half, statistics.fmean(values) + half


def gained(row: Row, measure: str) -> float:
    """What a run gained over the base: in the share of right images (`after`), or in diversity.

    A run that left the finite numbers shows nothing right.
    """
    if measure == "diversity":
        return float(row.get("diversity", 0.0)) - 1
    return float(row.get("after") or 0.0) - float(row["before"])


def _base(gains: Gains) -> dict[str, dict[int, float]]:
    return {"base": {seed: 0.0 for runs in gains.values() for seed in runs}}


def _above(low: float, high: float, margin: float) -> str:
    return "holds" if low > margin else "does not" if high < margin else "cannot tell"


def _alike(low: float, high: float, margin: float) -> str:
    if -margin < low and high < margin:
        return "holds"
    return "does not" if low > margin or high < -margin else "cannot tell"
