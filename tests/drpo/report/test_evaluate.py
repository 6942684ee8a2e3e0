"""The paired verdict on a run: ties count half, abstentions are no pairs, and no difference is called
significant that is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from PIL import Image
from toy_generator import Scorer, ToyGenerator

from drpo.report.evaluate import pairs, verdict
from rankkit import Group, Ranking


class Fixed:
    """The given scores, group after group."""

    def __init__(self, *scores: tuple[float, float]) -> None:
        self.scores = scores

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        return [Ranking(scores) for scores in self.scores]


def groups(count: int) -> list[Group]:
    return [Group("a", (Image.new("RGB", (4, 4)),) * 2)] * count


def test_wins_ties_and_abstentions_are_counted() -> None:
    found = verdict("r", Fixed((2, 1), (1, 1), (0, 1), (math.nan, 1)), groups(4), each=2)
    assert (found.win_rate, found.pairs, found.abstained) == (0.5, 3, 1)
    assert str(found).endswith("(not significant)")


def test_the_trained_picture_comes_first_and_the_base_second() -> None:
    toy = ToyGenerator()
    toy.shift.data += torch.tensor([1.0, -1.0, -1.0])
    found = verdict(
        "red", Scorer(), [group for seed in range(8) for group in pairs(toy, "a", 2, seed)], each=2
    )
    assert found.win_rate == 1 and found.low == 1 and found.pairs == 16
