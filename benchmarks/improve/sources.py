"""Other anchors, and other noises: what decides what attracts and what repels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import NormalDist

import torch
from torch import Tensor

from drpo.anchors import Drawn, RankedAnchors, Turn, ranking_row
from drpo.config import Config
from drpo.loss import AnchorFeatures, select_rows
from drpo.preference import Anchors, split
from drpo.types import Generator, LogRow, Prompt, Sample
from rankkit import Ranker, Ranking

FADED = 0.5  # weight of an anchor from the group before, of the same prompt


class ByWins(RankedAnchors):
    """Every candidate is an anchor, by how many of its group it beats less how many beat it; a tie counts for
    neither.
    """

    def anchors(
        self, turn: Turn, sample: Sample, points: Mapping[str, Tensor], drawn: Drawn
    ) -> tuple[AnchorFeatures | None, LogRow]:
        """As `RankedAnchors` has it, of `by_wins`."""
        assert drawn.ranking is not None
        found = by_wins(drawn.ranking)
        return (select_rows(points, found) if found else None), ranking_row(drawn.ranking)


class Certain(RankedAnchors):
    """Anchors that a judge is sure of weigh more; its standard errors say how sure it is."""

    def anchors(
        self, turn: Turn, sample: Sample, points: Mapping[str, Tensor], drawn: Drawn
    ) -> tuple[AnchorFeatures | None, LogRow]:
        """As `RankedAnchors` has it, weighted by `certainty`."""
        assert drawn.ranking is not None
        found = split(drawn.ranking, self.config.anchors)
        sure = certainty(drawn.ranking, found) if found else None
        return (select_rows(points, sure) if sure else None), ranking_row(drawn.ranking)


class Remembered(RankedAnchors):
    """Beside a group's own anchors those of the prompt's group before, at half their weight."""

    def __init__(self, ranker: Ranker, config: Config, prompts: Sequence[Prompt]) -> None:
        super().__init__(ranker, config, prompts)
        self.kept: dict[str, AnchorFeatures] = {}

    def anchors(
        self, turn: Turn, sample: Sample, points: Mapping[str, Tensor], drawn: Drawn
    ) -> tuple[AnchorFeatures | None, LogRow]:
        """As `RankedAnchors` has it, and what is kept of the prompt."""
        found, row = super().anchors(turn, sample, points, drawn)
        before = self.kept.get(turn.prompt)
        if found:
            self.kept[turn.prompt] = found
        return (joined(found, before) if found and before else found), row


class Antithetic(RankedAnchors):
    """Noises in pairs that sum to nought, so that a group's mean noise is nought and every decision that the
    sign of a noise makes is made both ways.
    """

    def draw(self, generator: Generator, turn: Turn) -> Drawn:
        """Half as many noises, and their opposites; an odd one is left without."""
        count = self.config.group_size
        half = generator.noise((count + 1) // 2, turn.seed)
        return Drawn(torch.cat([half, -half])[:count])


def by_wins(ranking: Ranking) -> Anchors | None:
    """Net wins over the others, as a share of them: above nought a positive, below a negative."""
    scores = {i: score for i, score in enumerate(ranking.scores) if not math.isnan(score)}
    net = {
        i: sum((score > other) - (score < other) for other in scores.values()) / max(1, len(scores) - 1)
        for i, score in scores.items()
    }
    best, worst = {i: n for i, n in net.items() if n > 0}, {i: -n for i, n in net.items() if n < 0}
    if not best or not worst:
        return None
    return Anchors(tuple(best), tuple(best.values()), tuple(worst), tuple(worst.values()))


def certainty(ranking: Ranking, anchors: Anchors) -> Anchors | None:
    """The same anchors, each weighing what the chance that it is on its side of the border exceeds one half,
    doubled; the border is half way between the last positive and the first negative.
    """
    scores, errors = ranking.scores, ranking.stderr
    if errors is None:
        return anchors
    border = (min(scores[i] for i in anchors.positive) + max(scores[i] for i in anchors.negative)) / 2
    sure = [
        2 * NormalDist().cdf(abs(s - border) / max(e, 1e-9)) - 1 for s, e in zip(scores, errors, strict=True)
    ]
    positive = tuple(w * sure[i] for i, w in zip(anchors.positive, anchors.positive_weight, strict=True))
    negative = tuple(w * sure[i] for i, w in zip(anchors.negative, anchors.negative_weight, strict=True))
    if not any(positive) or not any(negative):
        return None
    return replace(anchors, positive_weight=positive, negative_weight=negative)


def joined(now: AnchorFeatures, before: AnchorFeatures, faded: float = FADED) -> AnchorFeatures:
    """The anchors of two groups, the earlier ones at a share of their weight."""
    return AnchorFeatures(
        {key: torch.cat([z, before.positive[key]]) for key, z in now.positive.items()},
        [*now.positive_weight, *(faded * weight for weight in before.positive_weight)],
        {key: torch.cat([z, before.negative[key]]) for key, z in now.negative.items()},
        [*now.negative_weight, *(faded * weight for weight in before.negative_weight)],
    )
