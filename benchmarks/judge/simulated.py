"""`recall` and `equals`: what simulated judges achieve a call, and whether their position bias leaks.

Utilities of the images are N(0, 1), and P(first wins) = σ(s · difference + bias), drawn anew for every call,
with s such that so many calls are right.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import rankkit
from rankkit.core import aggregate

Floats = NDArray[np.float64]

Pairs = list[tuple[int, int]]

SIZES = (8, 16, 32)

JUDGES = {"strong": (0.80, 1.0), "realistic": (0.66, 0.5)}  # share of calls that are right, bias in logits

EXPECTED = {  # recall by design, judge and size in the simulation that the defaults were chosen by
    "every pair, first shown first": {"strong": (0.710, 0.759, 0.801), "realistic": (0.529, 0.614, 0.694)},
    "every pair, in random order": {"strong": (0.745, 0.800, 0.854), "realistic": (0.554, 0.650, 0.719)},
    "every pair, both orders": {"strong": (0.787, 0.842, 0.894), "realistic": (0.630, 0.721, 0.784)},
    "degree 4, both orders": {"strong": (0.707, 0.726, 0.724), "realistic": (0.491, 0.549, 0.565)},
    "degree 8, both orders": {"strong": (0.797, 0.792, 0.807), "realistic": (0.624, 0.651, 0.645)},
}


def designs(n: int, seed: int) -> dict[str, tuple[Pairs, str]]:
    """Which pairs, and in which order: "first", "random" or "both"."""
    every = aggregate.round_robin(n)
    return {
        "every pair, first shown first": (every, "first"),
        "every pair, in random order": (every, "random"),
        "every pair, both orders": (every, "both"),
        "degree 4, both orders": (aggregate.circulant(n, seed=seed, degree=4), "both"),
        "degree 8, both orders": (aggregate.schedule(n, seed=seed, degree=8), "both"),
    }


def sharpness(right: float, bias: float) -> float:
    """The s with which a share `right` of calls about random pairs is right, the bias notwithstanding."""
    gaps = np.abs(np.random.default_rng(0).normal(size=200_000) * math.sqrt(2))
    low, high = 0.0, 20.0
    for _ in range(40):
        s = (low + high) / 2
        share = np.mean(_sigmoid(s * gaps + bias) + _sigmoid(s * gaps - bias)) / 2
        low, high = (s, high) if share < right else (low, s)
    return s


def recall(trials: int) -> dict[str, Any]:
    """Mean overlap of the best and the worst quarter with the true ones, and its standard error, per design,
    judge and size.
    """
    found = []
    for judge, (right, bias) in JUDGES.items():
        s = sharpness(right, bias)
        for k, n in enumerate(SIZES):
            names = designs(n, 0)
            for name in names:
                values, calls = [], 0
                for trial in range(trials):
                    rng = np.random.default_rng([n, trial])
                    utilities = rng.normal(size=n)
                    pairs, order = designs(n, trial)[name]
                    theta, _ = aggregate.bradley_terry(_outcomes(rng, s * utilities, bias, pairs, order))
                    values.append(_overlap(rng, utilities, theta))
                    calls = len(pairs) * (2 if order == "both" else 1)
                mean, error = float(np.mean(values)), float(np.std(values) / math.sqrt(trials))
                row = {
                    "judge": judge,
                    "design": name,
                    "K": n,
                    "calls": calls,
                    "recall": round(mean, 3),
                    "stderr": round(error, 3),
                }
                found.append({**row, "expected": EXPECTED[name][judge][k]})
                print(json.dumps(found[-1]), flush=True)
    return {"trials": trials, "rows": found}


def _outcomes(rng: np.random.Generator, scaled: Floats, bias: float, pairs: Pairs, order: str) -> Floats:
    """Wins from hard verdicts; with both orders, verdicts that differ make one half (as
    `aggregate.both_orders` does).
    """
    i, j = np.array(pairs).T
    if order == "random":
        swap = rng.random(len(i)) < 0.5
        i, j = np.where(swap, j, i), np.where(swap, i, j)
    shown_first = rng.random(len(i)) < _sigmoid(scaled[i] - scaled[j] + bias)
    if order != "both":
        return aggregate.wins(
            len(scaled), [(int(a), int(b), float(y), 1.0) for a, b, y in zip(i, j, shown_first, strict=True)]
        )
    shown_second = rng.random(len(i)) >= _sigmoid(scaled[j] - scaled[i] + bias)
    p = [aggregate.both_orders(float(a), float(b))[0] for a, b in zip(shown_first, shown_second, strict=True)]
    return aggregate.wins(len(scaled), [(int(a), int(b), q, 2.0) for a, b, q in zip(i, j, p, strict=True)])


def _overlap(rng: np.random.Generator, truth: Floats, theta: Floats) -> float:
    m, mixed = len(truth) // 4, rng.permutation(len(truth))  # ties are broken by chance
    true, said = np.argsort(truth), mixed[np.argsort(theta[mixed], kind="stable")]
    return (len(set(true[:m]) & set(said[:m])) + len(set(true[-m:]) & set(said[-m:]))) / (2 * m)


def equals(trials: int) -> dict[str, Any]:
    """Mean win rate by place of eight images that are equally good, by rankkit.Pairwise and with the first
    always shown first.
    """
    luck = np.random.default_rng(0)
    found = []
    for judge, (_, bias) in JUDGES.items():
        for kind in ("one verdict a call", "probabilities"):
            ours, naive = np.zeros(8), np.zeros(8)
            for trial in range(trials):
                ranker = rankkit.build(_tosses(luck, bias, hard=kind == "one verdict a call"))
                images = tuple(
                    Image.new("RGB", (1, 1), (trial % 256, trial // 256, i))
                    for i in luck.permutation(256)[:8]
                )
                (ranking,) = ranker.rank([rankkit.Group("", images)])
                ours += [each["win_rate"] for each in ranking.details]
                wins = [
                    (i, j, float(luck.random() < _sigmoid(bias)), 1.0) for i, j in aggregate.round_robin(8)
                ]
                naive += aggregate.borda(aggregate.wins(8, wins))
            rates = [round(float(rate), 3) for rate in ours / trials]
            first = [round(float(rate), 3) for rate in naive / trials]
            worst = max(abs(rate - 0.5) for rate in rates)
            row = {
                "judge": judge,
                "bias": bias,
                "answers": kind,
                "win rates": rates,
                "first shown first": first,
            }
            found.append({**row, "worst": round(worst, 3)})
            print(json.dumps(found[-1]), flush=True)
    return {"trials": trials, "rows": found, "within 3 points": all(row["worst"] <= 0.03 for row in found)}


def _tosses(luck: np.random.Generator, bias: float, *, hard: bool) -> Callable[..., list[float]]:
    def compare(firsts: list[Image.Image], seconds: list[Image.Image]) -> list[float]:
        p = float(_sigmoid(np.float64(bias)))
        return [float(luck.random() < p) if hard else p for _ in firsts]

    return compare


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))
