"""More rounds for 0/1 rankers: until both sides are full, then only the chosen noises, with a graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
import torch
from toy_generator import SETTINGS, ToyGenerator, ranked_trainer, redness

from drpo.features.latent import Latent
from drpo.search import search
from drpo.types import Sample
from rankkit import Group, Ranking


class Rare:
    """1 for the few images that are very red, else 0; counts what it saw."""

    def __init__(self, above: float) -> None:
        self.above, self.seen = above, 0

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        self.seen += sum(len(group.images) for group in groups)
        return [Ranking(tuple(float(red > self.above) for red in redness(group))) for group in groups]


def found(above: float, rounds: int = 4) -> tuple[torch.Tensor, Ranking, Rare]:
    toy, ranker = ToyGenerator(), Rare(above)

    def order(sample: Sample) -> Ranking:
        assert not sample.latents.requires_grad
        return ranker.rank([sample.group()])[0]

    noise, ranking, judged = search(toy, "a", (toy.noise(16, seed) for seed in range(rounds)), order, 4)
    assert len(judged.scores) == ranker.seen
    return noise, ranking, ranker


def test_one_round_is_enough_when_it_splits() -> None:
    noise, ranking, ranker = found(0)
    assert ranker.seen == 16 and ranking.scores == (1.0,) * 4 + (0.0,) * 4 and len(noise) == 8


def test_rounds_go_on_until_both_sides_are_full() -> None:
    noise, ranking, ranker = found(55)
    assert 16 < ranker.seen <= 64 and ranking.scores == (1.0,) * 4 + (0.0,) * 4
    reds = redness(Group("a", ToyGenerator().sample("a", noise).images()))
    assert [red > 55 for red in reds] == [True] * 4 + [False] * 4


def test_a_prompt_that_never_splits_is_skipped_and_counted() -> None:
    ranker = Rare(1e9)
    made = ranked_trainer(
        dataclasses.replace(SETTINGS, max_rounds=4), ToyGenerator(), Latent(), ranker, ["a"]
    )
    assert made.step()["skipped"] == 1 and ranker.seen == 2 * 4 * 16


@pytest.mark.parametrize("rounds", [1, 4])
def test_a_rare_success_teaches(rounds: int) -> None:
    torch.manual_seed(0)
    made = ranked_trainer(
        dataclasses.replace(SETTINGS, max_rounds=rounds), ToyGenerator(), Latent(), Rare(55), ["a"]
    )
    for _ in range(30):
        row = made.step()
    assert row["reward"] > 0.5
