"""Means, rates and rank correlations that say how sure they are.

Pairs of one prompt are one cluster, not independent evidence.

Everywhere `clusters` holds one integer label per value, or None where every value stands for itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

NOT_SIGNIFICANT = "not significant: this could be chance"


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with its cluster-robust standard error, in the unit of the values.

    NaN where there is too little to know.
    """

    mean: float
    stderr: float
    values: int
    clusters: int

    def interval(self, *, level: float = 0.95) -> tuple[float, float]:
        """The mean ± as many standard errors as `level` asks for, by the normal distribution."""
        half = NormalDist().inv_cdf(0.5 + level / 2) * self.stderr
        return self.mean - half, self.mean + half


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate in [0, 1] with a confidence interval, and the effective sample size it was computed at.

    Without any value the rate is NaN and the interval is [0, 1].
    """

    rate: float
    low: float
    high: float
    effective: float
    values: int
    clusters: int

    @property
    def p_value(self) -> float:
        """Two-sided, against a rate of ½: the score test at the effective sample size. 1 without values.

        It is below 0.05 exactly where the 95 % interval leaves ½ out, so that words and interval never
        disagree.
        """
        if not self.values:
            return 1.0
        return math.erfc(abs(self.rate - 0.5) * 2 * math.sqrt(self.effective) / math.sqrt(2))

    def verdict(self, above: str, below: str) -> str:
        """What the interval says in words: see `verdict`."""
        return verdict(self.low, self.high, above, below)


def verdict(low: float, high: float, above: str, below: str) -> str:
    """`above` or `below` where a rate's 95 % interval lies wholly above or below ½, else `NOT_SIGNIFICANT`.

    The one place that decides whether a result could be chance, and that says so.
    """
    return above if low > 0.5 else below if high < 0.5 else NOT_SIGNIFICANT


def clustered_mean(values: ArrayLike, clusters: ArrayLike | None = None) -> Mean:
    """The mean of all values, each counting once, and its cluster-robust standard error.

    Values of one cluster may depend on each other.

    The variance is that of a ratio estimator, ``C/(C-1) Σ_c (Σ_{i∈c} (x_i - mean))² / n²`` (Liang & Zeger
    1986, with the usual correction for C clusters); with a cluster per value it is the ordinary s²/n. NaN
    with fewer than two clusters.
    """
    x, c = _arrays(values, clusters)
    count = int(c.max()) + 1 if c.size else 0
    mean = float(x.mean()) if x.size else math.nan
    return Mean(mean, math.sqrt(_variance(x, c)) if count > 1 else math.nan, x.size, count)


def win_interval(values: ArrayLike, clusters: ArrayLike | None = None, *, level: float = 0.95) -> Rate:
    """The mean of values in [0, 1] (1 won, 0 lost, ½ tied) with an interval that respects clusters.

    It is the Wilson interval at the effective sample size (`effective_size`), so that it never leaves [0, 1]
    and stays honest when everything was won.
    """
    x, c = _arrays(values, clusters)
    if not x.size:
        return Rate(math.nan, 0.0, 1.0, 0.0, 0, 0)
    rate, n = float(x.mean()), effective_size(x, c)
    return Rate(rate, *wilson(rate, n, level=level), n, x.size, int(c.max()) + 1)


def effective_size(values: ArrayLike, clusters: ArrayLike | None = None) -> float:
    """How many independent trials would know the rate as well as these values in [0, 1].

    ``p (1 - p) / variance``.

    The variance is the cluster-robust one, or that of independent values where it is larger, because few
    clusters can agree by chance. Where the cluster-robust variance is 0 (all won, one cluster, clusters that
    all agree) it is the number of clusters.
    """
    x, c = _arrays(values, clusters)
    if not x.size:
        return 0.0
    count, rate = int(c.max()) + 1, float(x.mean())
    clustered = _variance(x, c) if count > 1 else 0.0
    if clustered < 1e-15:  # zero but for rounding
        return float(count)
    return rate * (1 - rate) / max(clustered, float(x.var(ddof=1)) / x.size)


def wilson(rate: float, n: float, *, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval (JASA 1927) of a rate seen in `n` trials, which may be a fraction.

    It is [0, 1] without trials.
    """
    if n <= 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + level / 2)
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return min(max(middle - half, 0.0), rate), max(min(middle + half, 1.0), rate)


def kendall_tau_b(first: ArrayLike, second: ArrayLike) -> float:
    """Kendall's tau-b of two lists of scores of the same items, in [-1, 1], corrected for ties.

    Source: Kendall, Biometrika 1945.

    Items for which either score is NaN are left out. NaN where it is undefined: fewer than two items, or all
    tied in one list. O(n log² n), so that a group of 40 000 is no trouble (Knight, JASA 1966).
    """
    a, b = np.asarray(first, dtype=np.float64).ravel(), np.asarray(second, dtype=np.float64).ravel()
    assert a.shape == b.shape, f"{a.size} and {b.size} scores are not of the same items"
    known = ~(np.isnan(a) | np.isnan(b))
    a, b = a[known], b[known]
    order = np.lexsort((b, a))
    a, b = a[order], b[order]
    pairs = _pairs(len(a))
    tied_a, tied_b = _tied(a), _tied(np.sort(b))
    if pairs in (tied_a, tied_b):
        return math.nan
    tied_both = _pairs_in_runs((a[1:] != a[:-1]) | (b[1:] != b[:-1]), len(a))
    surplus = pairs - tied_a - tied_b + tied_both - 2 * _inversions(b)
    untied_a, untied_b = pairs - tied_a, pairs - tied_b
    return surplus / untied_a if untied_a == untied_b else surplus / math.sqrt(untied_a * untied_b)


def _arrays(values: ArrayLike, clusters: ArrayLike | None) -> tuple[Floats, NDArray[Any]]:
    """Values as floats, and their clusters numbered from 0."""
    x: Floats = np.asarray(values, dtype=np.float64).ravel()
    if clusters is None:
        return x, np.arange(x.size)
    labels = np.asarray(clusters).ravel()
    assert labels.shape == x.shape, f"{x.size} values and {labels.size} cluster labels; give one each"
    return x, np.unique(labels, return_inverse=True)[1]


def _variance(x: Floats, c: NDArray[Any]) -> float:
    excess: Floats = np.bincount(c, x - x.mean()).astype(np.float64)
    count = len(excess)
    return float(np.square(excess).sum()) / x.size**2 * count / (count - 1)


def _pairs(n: int) -> int:
    return n * (n - 1) // 2


def _tied(ordered: Floats) -> int:
    return _pairs_in_runs(ordered[1:] != ordered[:-1], len(ordered))


def _pairs_in_runs(breaks: NDArray[np.bool_], n: int) -> int:
    edges = np.concatenate(([0], np.flatnonzero(breaks) + 1, [n]))
    return sum(_pairs(int(run)) for run in np.diff(edges))


def _inversions(values: Floats) -> int:
    if len(values) <= 64:
        return int(np.triu(values[:, None] > values[None, :], 1).sum())
    left, right = np.array_split(values, 2)
    across = len(left) * len(right) - int(np.searchsorted(np.sort(left), right, "right").sum())
    return _inversions(left) + _inversions(right) + across


def win_share(ours: ArrayLike, theirs: ArrayLike) -> float:
    """Share of all pairs (one of ours, one of theirs) in which ours scores higher; a tie is half a win."""
    other = np.sort(np.asarray(theirs, float))
    below, up_to = np.searchsorted(other, ours, "left"), np.searchsorted(other, ours, "right")
    return float((below + up_to).mean() / 2 / len(other))
