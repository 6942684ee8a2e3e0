"""From comparisons to an order: which pairs to ask, and what their outcomes say.

Legend: n items; W (n, n) holds fractional wins, ``W[i, j]`` = how often i was preferred to j; theta (n,) are
utilities in logits.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]
Floats = NDArray[np.float64]

ROUND_ROBIN_UP_TO = 8
P_MIN = 1e-4  # one call never counts as certain: probabilities are clipped to [P_MIN, 1 - P_MIN]


def schedule(n: int, *, seed: int = 0, degree: int = 8) -> list[Pair]:
    """Pairs to compare: every pair up to 8 items, a part of them above.

    That part is a seeded connected circulant of the given even degree.
    """
    if n <= max(ROUND_ROBIN_UP_TO, degree + 1):
        return round_robin(n)
    return circulant(n, seed=seed, degree=degree)


def round_robin(n: int) -> list[Pair]:
    """Every unordered pair once: n(n-1)/2 of them."""
    return [(i, j) for i in range(n) for j in range(i + 1, n)]


def circulant(n: int, *, seed: int = 0, degree: int = 8) -> list[Pair]:
    """A regular, connected comparison graph.

    Item i meets i±o for `degree`/2 offsets o, n·degree/2 pairs in all.

    The offsets are drawn by `seed`; one of them is coprime to n, which makes the graph one cycle and hence
    connected.
    """
    assert degree >= 2 and degree % 2 == 0, f"degree {degree} must be even and at least 2"
    offsets = range(1, (n - 1) // 2 + 1)
    if degree // 2 > len(offsets):
        return round_robin(n)
    rng = random.Random(seed)
    first = rng.choice([o for o in offsets if math.gcd(o, n) == 1])
    chosen = [first, *rng.sample([o for o in offsets if o != first], degree // 2 - 1)]
    return sorted({(min(i, (i + o) % n), max(i, (i + o) % n)) for o in chosen for i in range(n)})


def both_orders(shown_first: float, shown_second: float) -> tuple[float, float]:
    """Combine one pair asked in both orders into (P(i better), position bias).

    The position bias is in logits; positive favours the image shown first.

    `shown_first` is P(i better) when i was shown first, `shown_second` the same when i was shown second. If
    the judge is a difference of utilities plus a constant bias towards one position, that constant cancels
    exactly.
    """
    first, second = logit(shown_first), logit(shown_second)
    return sigmoid((first + second) / 2), (first - second) / 2


def wins(n: int, outcomes: Iterable[tuple[int, int, float, float]]) -> Floats:
    """W from (i, j, P(i beats j), weight in calls)."""
    W = np.zeros((n, n))
    for i, j, p, weight in outcomes:
        W[i, j] += weight * p
        W[j, i] += weight * (1 - p)
    return W


def borda(W: Floats) -> Floats:
    """Mean win rate of each item over its comparisons, in [0, 1]; NaN for an item that was never compared."""
    played = W.sum(1) + W.sum(0)
    rate: Floats = np.full(len(W), np.nan)
    np.divide(W.sum(1), played, out=rate, where=played > 0)
    return rate


def bradley_terry(W: Floats, *, prior: float = 0.1) -> tuple[Floats, Floats]:
    """Maximum a posteriori Bradley–Terry utilities and their standard errors, both in logits.

    Source: Bradley & Terry 1952.

    Minimises ``-Σ W_ij log σ(θ_i - θ_j) + prior/2 ‖θ‖²`` by damped Newton steps. The Gaussian prior makes it
    strictly convex: the solution is unique and finite for any data (all wins, disconnected, empty), sums to
    zero, and an item never compared stays at 0. In a balanced round robin its order, ties included, is the
    order of win sums; utilities are rounded to 1e-9 so that such ties are exact. Standard errors are the
    Laplace approximation, the root of the inverse Hessian's diagonal, without what it says of the common
    level of items that were compared, which is no uncertainty of theirs: utilities are centred. An item that
    was never compared has the prior's spread.
    """
    theta, covariance = posterior(W, prior=prior)
    n, games = len(W), W + W.T
    variance = np.diag(covariance).copy()
    for part in parts(n, zip(*np.nonzero(games), strict=True)):
        if len(part) > 1:
            # constant vectors of a part are eigenvectors of the Hessian, with eigenvalue `prior`
            variance[part] -= 1 / (prior * len(part))
    return np.round(theta, 9) + 0.0, np.sqrt(np.maximum(variance, 0.0))


def posterior(W: Floats, *, prior: float = 0.1) -> tuple[Floats, Floats]:
    """The posterior of `bradley_terry` as a Gaussian: centred utilities (n,) and their covariance (n, n).

    The covariance is the Laplace approximation: the inverse Hessian at the maximum, in logits squared. It
    still holds the prior's doubt about the common level, which cancels in differences of utilities.
    """
    assert prior > 0, "the prior keeps the solution finite"
    theta: Floats = np.zeros(len(W))
    if not len(W):
        return theta, np.zeros((0, 0))
    games = W + W.T
    for _ in range(100):
        win = _sigmoid(theta[:, None] - theta[None, :])
        gradient = (games * win).sum(1) - W.sum(1) + prior * theta
        step = np.linalg.solve(_hessian(games, win, prior), gradient)
        # at most 2 logits a step: far starts stay stable
        theta -= step * min(1.0, 2.0 / max(np.abs(step).max(), 1e-300))
        if np.abs(step).max() < 1e-13:
            break
    theta -= theta.mean()
    win = _sigmoid(theta[:, None] - theta[None, :])
    covariance = np.linalg.inv(_hessian(games, win, prior)).astype(np.float64)
    return theta, covariance


def parts(n: int, pairs: Iterable[Pair]) -> list[list[int]]:
    """The n items in sets that these comparisons join, the largest first.

    Scores of different sets mean nothing beside each other.
    """
    parent = list(range(n))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in pairs:
        parent[root(i)] = root(j)
    found: dict[int, list[int]] = {}
    for i in range(n):
        found.setdefault(root(i), []).append(i)
    return sorted(found.values(), key=lambda part: (-len(part), part))


def connected(n: int, pairs: Iterable[Pair]) -> bool:
    """Whether these comparisons join all n items into one set."""
    return len(parts(n, pairs)) <= 1


def triads(n: int, p: Mapping[Pair, float]) -> dict[str, Any]:
    """How often i beats j, j beats k and k beats i, from P(i beats j) of the pairs compared.

    An exact half takes no side.

    ``triads`` of the items were compared all three ways, ``circular_triads`` of them go round. ``zeta`` is
    Kendall and Babington Smith's coefficient of consistence (Biometrika 31, 1940), 1 where nothing goes round
    and 0 where as much does as can; None unless all n(n-1)/2 pairs were compared and n > 2.
    """
    met: list[set[int]] = [set() for _ in range(n)]
    beats: list[set[int]] = [set() for _ in range(n)]
    beaten: list[set[int]] = [set() for _ in range(n)]
    for (i, j), value in p.items():
        met[i].add(j)
        met[j].add(i)
        if value != 0.5:
            winner, loser = (i, j) if value > 0.5 else (j, i)
            beats[winner].add(loser)
            beaten[loser].add(winner)
    circular = sum(len(beats[j] & beaten[i]) for i in range(n) for j in beats[i]) // 3
    most = (n**3 - n) / 24 if n % 2 else (n**3 - 4 * n) / 24
    zeta = 1 - circular / most if n > 2 and sum(map(len, met)) == n * (n - 1) else None
    return {
        "triads": sum(len(met[i] & met[j]) for i in range(n) for j in met[i]) // 6,
        "circular_triads": circular,
        "zeta": zeta,
    }


def logit(p: float) -> float:
    """log(p / (1 - p)), with p clipped to [1e-4, 1 - 1e-4]."""
    p = min(max(p, P_MIN), 1 - P_MIN)
    return math.log(p / (1 - p))


def sigmoid(x: float) -> float:
    """1 / (1 + e^-x)."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def median(values: Sequence[float]) -> float:
    """The median, 0 for none."""
    return float(np.median(values)) if len(values) else 0.0


def _sigmoid(x: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(0.5 * x))


def _hessian(games: Floats, win: Floats, prior: float) -> Floats:
    curvature = games * win * (1 - win)
    return np.diag(curvature.sum(1) + prior) - curvature
