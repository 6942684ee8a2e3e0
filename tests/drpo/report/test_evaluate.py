"""The paired verdict on a run: ties count half, abstentions are no pairs, and no difference is called
significant that is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from PIL import Image
from toy_generator import Scorer, ToyGenerator

from drpo.report.evaluate import BaseComparison, Evaluated, compared, pairs
from drpo.types import Prompt
from rankkit import Group, Ranker, Ranking
from rankkit.analysis.compare import Comparison
from rankkit.analysis.stats import NOT_SIGNIFICANT
from rankkit.plugin import rank_groups


class Fixed:
    """The given scores, group after group."""

    def __init__(self, *scores: tuple[float, float]) -> None:
        self.scores = scores

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        return [Ranking(scores) for scores in self.scores]


def groups(count: int) -> list[Group]:
    return [Group("a", (Image.new("RGB", (4, 4)),) * 2)] * count


def compare(name: str, ranker: Ranker, groups: Sequence[Group]) -> BaseComparison:
    return compared(name, groups, rank_groups(ranker, groups, name))


def test_wins_ties_and_abstentions_are_counted() -> None:
    found = compare("r", Fixed((2, 1), (1, 1), (0, 1), (math.nan, 1)), groups(4))
    assert (found.win_rate, found.pairs, found.abstained) == (0.5, 3, 1)
    assert str(found).endswith("not significant: this could be chance")


def test_a_ranker_that_fails_on_a_pair_abstains_on_it_and_one_that_loses_count_on_all() -> None:
    class Fails:
        def rank(self, groups: Sequence[Group]) -> list[Ranking]:
            if len(groups) > 1 or groups[0].id == "bad":
                raise OSError("gone")
            return [Ranking((1, 0))]

    images = (Image.new("RGB", (4, 4)),) * 2
    found = compare("r", Fails(), [Group("a", images, id=name) for name in ("good", "bad")])
    assert (found.win_rate, found.pairs, found.abstained) == (1.0, 1, 1)
    found = compare("r", Fixed(), groups(4))
    assert (found.pairs, found.abstained) == (0, 4)


def test_the_trained_image_comes_first_and_the_base_second() -> None:
    toy = ToyGenerator()
    toy.shift.data += torch.tensor([1.0, -1.0, -1.0])
    found = compare(
        "red",
        Scorer(),
        [group for seed in range(8) for group in pairs(toy, Prompt(f"prompt {seed}"), 2, seed)],
    )
    assert found.win_rate == 1 and found.verdict == "the run is preferred" and found.pairs == 16


@pytest.mark.parametrize(
    "prompts, each, won, interval",
    [(3, 4, 4, (0.4385, 1.0)), (12, 5, 3, (0.3333, 0.8182))],
    ids=["three prompts, all won", "twelve prompts at .60"],
)
def test_a_run_and_two_folders_get_the_same_interval_from_the_same_pairs(
    prompts: int, each: int, won: int, interval: tuple[float, float]
) -> None:
    wins = [float(place < won) for _ in range(prompts) for place in range(each)]
    labels = [prompt for prompt in range(prompts) for _ in range(each)]
    drawn = [Group(f"prompt {label}", (Image.new("RGB", (4, 4)),) * 2) for label in labels]
    run = compare("r", Fixed(*[(win, 1 - win) for win in wins]), drawn)
    folders = Comparison("r", wins, labels)
    assert (run.low, run.high, run.p_value) == (folders.rate.low, folders.rate.high, folders.p_value)
    assert (run.low, run.high) == pytest.approx(interval, abs=2e-3)
    assert run.verdict == folders.verdict("A", "B") == NOT_SIGNIFICANT


def test_why_a_ranker_left_images_out_is_said() -> None:
    silent = Ranking((math.nan, math.nan), details=({"error": "no licence"},) * 2)
    rankings = {"quiet": [silent, Ranking((1.0, 2.0))], "sure": [Ranking((1.0, 2.0))] * 2}
    found = Evaluated([Prompt("a")], groups(2), rankings)
    assert found.troubles == ["quiet: 2 images got no score: no licence"]
