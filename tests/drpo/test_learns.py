"""Training learns what the ranker prefers, whatever kind of ranker says it, and nothing when nobody prefers
anything.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, get_args

import pytest
import torch
from torch import Tensor
from toy_generator import SETTINGS, Detector, Judge, Scorer, ToyGenerator, ranked_trainer, redness

from drpo.choices import Field
from drpo.config import Config
from drpo.features.latent import Latent
from drpo.train import Trainer
from rankkit import Group, Ranker, Ranking, RankkitError


def trainer(ranker: Ranker, config: Config = SETTINGS, **changes: Any) -> Trainer:
    return ranked_trainer(
        dataclasses.replace(config, **changes), ToyGenerator(), Latent(), ranker, ["a", "b", "c"]
    )


def trained(ranker: Ranker, **changes: Any) -> Trainer:
    made = trainer(ranker, **changes)
    for _ in range(made.config.steps):
        made.step()
    return made


def mean_redness(made: Trainer) -> float:
    sample = made.generator.sample("a", made.generator.noise(64, 7))
    return sum(redness(Group("a", sample.images()))) / 64


class Renamed:
    """Another ranker's scores through a function."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        return [Ranking(tuple(self.function(score) for score in redness(group))) for group in groups]


@pytest.mark.parametrize("field", get_args(Field))
@pytest.mark.parametrize("ranker", [Scorer(), Judge(), Detector()], ids=["scorer", "pairwise", "0/1"])
def test_a_scorer_a_pairwise_judge_and_a_detector_all_teach_the_same(ranker: Ranker, field: str) -> None:
    before = mean_redness(trainer(ranker))
    assert mean_redness(trained(ranker, field=field)) > before + 40


def test_a_reversed_ranker_teaches_the_opposite() -> None:
    assert mean_redness(trained(Renamed(lambda score: -score))) < mean_redness(trainer(Scorer())) - 40


def test_training_on_any_increasing_function_of_the_scores_is_bit_identical() -> None:
    one, other = trained(Scorer()), trained(Renamed(lambda score: math.atan(score / 100) * 1e-3))
    assert all(torch.equal(a, b) for a, b in zip(one.weights, other.weights, strict=True))


@pytest.mark.parametrize("score", [0.5, math.nan], ids=["all equal", "all abstained"])
def test_without_a_preference_nothing_moves_and_it_is_counted(score: float) -> None:
    made = trainer(Renamed(lambda _: score))
    row = made.step()
    assert row["skipped"] == 1 and "loss" not in row
    assert all(not weight.any() for weight in made.weights)


class Overflowing(ToyGenerator):
    """A generator one of whose pixels is no number, as an autoencoder's that overflows in half precision."""

    def decode(self, latents: Tensor) -> Tensor:
        pixels = super().decode(latents).clone()
        pixels[3, 0, 0, 0] = math.inf
        return pixels


@pytest.mark.parametrize("rounds", [1, 4])
def test_a_group_that_is_not_all_finite_numbers_abstains_and_is_counted(rounds: int) -> None:
    config = dataclasses.replace(SETTINGS, max_rounds=rounds)
    made = ranked_trainer(config, Overflowing(), Latent(), Scorer(), ["a"])
    row = made.step()
    assert (
        row["skipped"] == 1
        and row["abstained"] == 16 * rounds
        and all(not weight.any() for weight in made.weights)
    )
    assert row["broken"] == 1 or rounds > 1


def test_a_gradient_that_is_no_number_leaves_the_weights_alone_and_is_counted() -> None:
    made = trainer(Scorer())
    made.weights[0].register_hook(lambda gradient: gradient * math.nan)
    row = made.step()
    assert row["broken"] == 1 and "gradient" not in row and all(not weight.any() for weight in made.weights)


def test_every_candidate_is_decoded_once_and_the_base_not_at_all() -> None:
    made = trainer(Scorer())
    made.step()
    assert isinstance(made.generator, ToyGenerator) and made.generator.decoded == 2 * 16


def test_a_ranker_that_returns_the_wrong_number_of_scores_is_an_error() -> None:
    class Short:
        def rank(self, groups: Sequence[Group]) -> list[Ranking]:
            return [Ranking((1.0, 2.0)) for _ in groups]

    with pytest.raises(
        RankkitError,
        match="the ranker toy failed at step 1, on 'b' and 1 more: toy returned 2 scores for 16 images",
    ):
        trainer(Short()).step()
