"""Rankers with known answers, to test what uses a ranker."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np
from PIL import Image

from rankkit.core.aggregate import sigmoid
from rankkit.core.images import content_hash
from rankkit.core.stated import kind_of
from rankkit.core.types import Group, Kind, Ranker, Ranking

Utility = Callable[[Image.Image], float]


class Fixed:
    """A pointwise ranker whose scores are known.

    A function of the image, or a mapping from `content_hash` to the score.

    An image that the mapping lacks is abstained on.
    """

    kind: ClassVar[Kind] = "pointwise"

    def __init__(self, scores: Mapping[str, float] | Utility) -> None:
        self.scores = scores

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """One ranking per group; companions and prompts do not matter."""
        return [
            _with_reasons(
                tuple(map(self._score, group.images)), self.kind, "no score is fixed for this image"
            )
            for group in groups
        ]

    def _score(self, image: Image.Image) -> float:
        return self.scores(image) if callable(self.scores) else self.scores.get(content_hash(image), math.nan)


class Flaky:
    """Another ranker that fails on chosen images, as a model does on a file it cannot digest.

    It abstains, and says why.
    """

    def __init__(self, ranker: Ranker, fails: Callable[[Image.Image], bool]) -> None:
        self.ranker, self.fails = ranker, fails
        self.kind: Kind = kind_of(ranker)

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """The rankings of the other ranker, with NaN and a reason in the chosen places."""
        rankings = []
        for group, ranking in zip(groups, self.ranker.rank(groups), strict=True):
            pairs = zip(group.images, ranking.scores, strict=True)
            scores = tuple(math.nan if self.fails(image) else score for image, score in pairs)
            rankings.append(_with_reasons(scores, ranking.kind, "it failed on this image, as it was told to"))
        return rankings


class Biased:
    """A judge that compares.

    P(first is better) = σ(utility of first - utility of second + `position_bias` + `noise` · ε), all in
    logits.

    `position_bias` favours the image shown first. ε is standard normal and belongs to the ordered pair: the
    same question gets the same answer. As a ranker: ``class Judge(Biased, rankkit.Pairwise)``.
    """

    kind: ClassVar[Kind] = "pairwise"

    def __init__(
        self, utility: Utility, *, position_bias: float = 0.0, noise: float = 0.0, seed: int = 0
    ) -> None:
        self.utility, self.position_bias, self.noise, self.seed = utility, position_bias, noise, seed

    def compare(self, firsts: Sequence[Image.Image], seconds: Sequence[Image.Image]) -> list[float]:
        """P(first is better than second) for each pair, in (0, 1)."""
        return [self._answer(first, second) for first, second in zip(firsts, seconds, strict=True)]

    def _answer(self, first: Image.Image, second: Image.Image) -> float:
        question = f"{self.seed}{content_hash(first)}{content_hash(second)}"
        luck = np.random.default_rng(
            int.from_bytes(hashlib.sha256(question.encode()).digest()[:8], "big")
        ).normal()
        return sigmoid(self.utility(first) - self.utility(second) + self.position_bias + self.noise * luck)


def _with_reasons(scores: tuple[float, ...], kind: Kind, reason: str) -> Ranking:
    details = tuple({"error": reason} if math.isnan(score) else {} for score in scores)
    return Ranking(scores, kind, details=details if any(details) else ())
