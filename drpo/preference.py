"""A ranking to weighted anchors: which candidates attract, which repel, and how strongly. Equals are never
opposed.

Only the order and the equality of scores are read, never their size (arXiv 2606.02521: rankings alone).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from rankkit import Ranking


@dataclass(frozen=True, slots=True)
class Anchors:
    """Indices into the group of the candidates that attract and that repel, in ascending order, with weights
    in (0, 1].

    A weight is the chance of being picked if ties were broken at random, less what the other side would take
    of it. Every positive was ranked strictly better than every negative. `cancelled` is the mass each side
    lost that way.
    """

    positive: tuple[int, ...]
    positive_weight: tuple[float, ...]
    negative: tuple[int, ...]
    negative_weight: tuple[float, ...]
    cancelled: float = 0.0


def split(ranking: Ranking, size: int) -> Anchors | None:
    """The best and the worst `size` candidates as anchors, or None when the ranking prefers nobody.

    With fewer than ``2 * size`` ranked candidates, half of them are taken on each side. Abstentions (NaN) are
    never anchors. A tie that straddles a quota enters whole, each with an equal share of the places left.

    >>> split(Ranking((3.0, 1.0, 2.0, 0.0)), 1)
    Anchors(positive=(0,), positive_weight=(1.0,), negative=(3,), negative_weight=(1.0,), cancelled=0.0)
    >>> split(Ranking((1.0, 1.0, 1.0)), 1) is None
    True
    """
    tiers = _tiers(ranking.scores)
    size = min(size, sum(map(len, tiers)) // 2)
    best, worst = _fill(tiers, size), _fill(tiers[::-1], size)
    both = {i: min(best[i], worst[i]) for i in best.keys() & worst.keys()}
    positive = {i: share for i in sorted(best) if (share := best[i] - both.get(i, 0))}
    negative = {i: share for i in sorted(worst) if (share := worst[i] - both.get(i, 0))}
    if not positive or not negative:
        return None
    return Anchors(*_columns(positive), *_columns(negative), cancelled=float(sum(both.values())))


def _columns(shares: dict[int, Fraction]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    return tuple(shares), tuple(map(float, shares.values()))


def _tiers(scores: Sequence[float]) -> list[list[int]]:
    """Candidates of equal score together, best first."""
    tiers: dict[float, list[int]] = {}
    for i in sorted((i for i, score in enumerate(scores) if not math.isnan(score)), key=lambda i: -scores[i]):
        tiers.setdefault(scores[i], []).append(i)
    return list(tiers.values())


def _fill(tiers: Sequence[Sequence[int]], places: int) -> dict[int, Fraction]:
    """Share of a place that each candidate gets when `places` are filled tier by tier."""
    shares: dict[int, Fraction] = {}
    for tier in tiers:
        if places <= 0:
            break
        share = min(Fraction(places, len(tier)), Fraction(1))
        shares.update(dict.fromkeys(tier, share))
        places -= len(tier)
    return shares
