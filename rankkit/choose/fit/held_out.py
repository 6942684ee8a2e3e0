"""How well a taste is met where it has seen neither image: accuracy, learning curve and baselines.

All are tried on the same answers, those that chose (ties are learned from, and not tried). What is chosen
among several (the strength of the penalty, the best single feature) is chosen for each fold by answers that
are not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rankkit.analysis.stats import Rate, win_interval
from rankkit.choose.fit import model
from rankkit.choose.fit.basic import Floats
from rankkit.choose.fit.folds import Folds

CURVE = (10, 20, 40, 80, 160, 320, 640, 1280)  # answers that are learned from
EXACT = 1e-12  # a margin below this is none


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Rates of answers that were foretold, of the taste and of baselines, and what they say beside each
    other.

    `singles` are those of each feature by itself, by name, the best first; `single` is that of the one that
    did best among the other answers, and `over_single` how often the taste was right where it was wrong (½:
    alike). `curve`: answers learned from, and the rate. `strength` is the one for all answers.
    """

    taste: Rate
    single: Rate
    over_single: Rate
    mean: Rate
    singles: tuple[tuple[str, Rate], ...]
    curve: tuple[tuple[int, Rate], ...]
    strength: float
    tried: int
    untried: int
    by: str


def try_out(
    differences_nd: Floats, share_n: Floats, folds: Folds, names: Sequence[str], kinds: Sequence[str]
) -> HeldOut:
    """Try a taste on held-out answers; `differences_nd` are of standardised features.

    By their `kinds` numbers of an embedding are no baselines, scores of rankers are by themselves, higher is
    better, and other features get their direction from the answers that are learned from.
    """
    compact = model.compact(differences_nd)
    taste, strength = _by_strength(compact, share_n, folds)
    tried = folds.fold >= 0
    counted = tried & (share_n != 0.5)

    def rate(margins_n: Floats) -> Rate:
        return win_interval(_right(margins_n, share_n)[counted], folds.clusters[counted])

    own = [at for at, kind in enumerate(kinds) if kind != "embedding"]
    fixed = [kinds[at] == "score" for at in own]
    alone, best_alone, mean = _baselines(differences_nd[:, own], share_n, folds, fixed)
    ahead = _right(taste, share_n) - _right(best_alone, share_n)
    singles = [(names[at], rate(margins)) for at, margins in zip(own, alone.T, strict=True)]
    return HeldOut(
        taste=rate(taste),
        single=rate(best_alone),
        over_single=win_interval((ahead[counted] + 1) / 2, folds.clusters[counted]),
        mean=rate(mean),
        singles=tuple(sorted(singles, key=lambda each: -each[1].rate)),
        curve=tuple(_curve(compact, share_n, folds, strength, rate)),
        strength=strength,
        tried=int(counted.sum()),
        untried=int((~tried & (share_n != 0.5)).sum()),
        by=folds.by,
    )


def _right(margins_n: Floats, share_n: Floats) -> Floats:
    """Of each answer that chose: 1 where the margin says the same, ½ where it is 0, else 0."""
    said = np.where(np.abs(margins_n) < EXACT, 0, np.sign(margins_n))
    return (said * np.sign(share_n - 0.5) + 1) / 2


def _by_strength(compact: Floats, share_n: Floats, folds: Folds) -> tuple[Floats, float]:
    """Margins (n,) of held-out answers, each by the strength that is best for the other folds, and the
    strength that is best for all.
    """
    margins = np.zeros((len(model.STRENGTHS), len(share_n)))
    for learned, tried in folds:
        fitted = model.weights(compact[learned], share_n[learned], model.STRENGTHS)
        margins[:, tried] = fitted @ compact[tried].T
    loss = model.losses(margins, share_n)

    def best(answers: NDArray[np.bool_]) -> int:
        return int(loss[:, answers].mean(1).argmin()) if answers.any() else len(loss) // 2

    chosen = np.zeros(len(share_n))
    known = folds.fold >= 0
    for number, (_, tried) in enumerate(folds):
        chosen[tried] = margins[best(known & (folds.fold != number))][tried]
    return chosen, model.STRENGTHS[best(known)]


def _baselines(
    differences_ns: Floats, share_n: Floats, folds: Folds, fixed: Sequence[bool]
) -> tuple[Floats, Floats, Floats]:
    """Margins of every single feature (n, s), of the best of them (n,) and of their mean (n,).

    Direction and choice are those of the answers that each fold learns from.
    """
    alone = np.zeros_like(differences_ns)
    best, mean = np.zeros(len(share_n)), np.zeros(len(share_n))
    if not differences_ns.shape[1]:
        return alone, best, mean
    for learned, tried in folds:
        agreed = (np.sign(differences_ns[learned]) * np.sign(share_n[learned, None] - 0.5)).mean(0)
        direction = np.where(fixed, 1.0, np.where(agreed < 0, -1.0, 1.0))
        alone[tried] = differences_ns[tried] * direction
        best[tried] = alone[tried][:, int((agreed * direction).argmax())]
        mean[tried] = alone[tried].mean(1)
    return alone, best, mean


def _curve(
    compact: Floats, share_n: Floats, folds: Folds, strength: float, rate: Callable[[Floats], Rate]
) -> Iterator[tuple[int, Rate]]:
    """Rates by how many answers each fold learns from; the last is by all that it has."""
    rng = np.random.default_rng(0)
    orders = [rng.permutation(np.flatnonzero(learned)) for learned, _ in folds]
    most = int(np.mean([len(order) for order in orders])) if orders else 0
    for number in [*(size for size in CURVE if size < 0.9 * most), most] if most else []:
        margins = np.zeros(len(share_n))
        for order, (_, tried) in zip(orders, folds, strict=True):
            few = order[: number if number < most else None]
            margins[tried] = compact[tried] @ model.weights(compact[few], share_n[few], [strength])[0]
        yield number, rate(margins)
