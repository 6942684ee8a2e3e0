"""``ranked=with_base``: the base's samples from the same noises are ranked along with the candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from toy_generator import SETTINGS, Detector, Scorer, ToyGenerator, ranked_trainer

from drpo.config import Config
from drpo.features.latent import Latent
from drpo.loss import drpo_loss, select_rows
from drpo.preference import split
from drpo.run.files import read_rows
from drpo.run.run import run
from drpo.train import Trainer
from drpo.types import assign, fixed_seeds
from rankkit import Group, Ranker, Ranking, UsageError

WITH_BASE = replace(SETTINGS, ranked="with_base", ema=0.0)
PROMPTS = ["a", "b", "c"]


class Seen(Scorer):
    """Keeps the images that it was shown."""

    def __init__(self) -> None:
        self.groups: list[Group] = []

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        self.groups += groups
        return super().rank(groups)


def trainer(
    ranker: Ranker | None = None, config: Config = WITH_BASE, toy: ToyGenerator | None = None
) -> Trainer:
    return ranked_trainer(config, toy or ToyGenerator(), Latent(), ranker or Scorer(), PROMPTS)


def moved(toy: ToyGenerator, by: float) -> ToyGenerator:
    """Its candidates are redder, by so much of the range of a colour, than the base's."""
    assign([toy.shift], [torch.tensor([by, 0.0, 0.0])])
    return toy


def shown(toy: ToyGenerator, prompt: str, number: int) -> tuple[Image.Image, ...]:
    noise = toy.noise(WITH_BASE.group_size, next(fixed_seeds(WITH_BASE.seed, number)))
    return toy.sample(prompt, noise).images()


def test_the_ranker_sees_the_candidates_and_behind_them_the_bases_images_of_the_same_noises() -> None:
    seen, toy = Seen(), moved(ToyGenerator(), 0.5)
    learner = trainer(seen, toy=toy)
    (first, *_) = learner.turns()
    candidates = shown(toy, first.prompt, 0)
    with toy.reference():
        base = shown(toy, first.prompt, 0)
    learner.step()
    assert [image.tobytes() for image in seen.groups[0].images] == [
        image.tobytes() for image in (*candidates, *base)
    ]


def test_an_update_is_that_of_the_best_and_the_worst_of_both() -> None:
    learner, toy, config = trainer(), ToyGenerator(), WITH_BASE
    weights, features = list(toy.parameters().values()), Latent()
    optimizer = torch.optim.AdamW(weights, config.learning_rate, betas=(0.9, config.beta2), weight_decay=1e-4)
    for step in range(4):
        for number in range(2 * step, 2 * step + 2):
            prompt = learner.source.prompt(number).text
            noise = toy.noise(config.group_size, next(fixed_seeds(config.seed, number)))
            sample = toy.sample(prompt, noise)
            with toy.reference(), torch.no_grad():
                base = toy.sample(prompt, noise)
            group = Group(prompt, (*sample.images(), *base.images()))
            found = split(Scorer().rank([group])[0], config.anchors)
            assert found
            points, start = features(sample), features(base)
            both = {key: torch.cat([z, start[key]]) for key, z in points.items()}
            loss, _ = drpo_loss(points, select_rows(both, found), start, config)
            (loss / 2).backward()
        torch.nn.utils.clip_grad_norm_(weights, config.clip)
        optimizer.step()
        optimizer.zero_grad()
        learner.step()
        for mine, other in zip(weights, learner.weights, strict=True):
            torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("overlap", ["exact", "one_step"])
def test_what_no_candidate_shows_any_more_is_found_again_in_the_bases_images(overlap: str) -> None:
    config = replace(WITH_BASE, steps=60, overlap=overlap)  # type: ignore[arg-type]

    def red(ranked: str) -> float:
        toy = moved(ToyGenerator(), -2.0)  # none of its images passes, of the base's many do
        learner = trainer(Fading(), replace(config, ranked=ranked), toy)  # type: ignore[arg-type]
        for _ in range(config.steps):
            learner.step()
        return float(toy.shift[0])

    assert red("with_base") > red("candidates") + 1


class Fading(Detector):
    """1 for red; of what is not, the less red of two is the better one."""

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        return [
            Ranking(tuple(hit or -red / 1000 for hit, red in zip(one.scores, other.scores, strict=True)))
            for one, other in zip(super().rank(groups), Scorer().rank(groups), strict=True)
        ]


def test_candidates_that_are_equals_are_taught_nothing_whatever_the_base_shows() -> None:
    toy = moved(ToyGenerator(), 5.0)  # all as red as can be
    before = toy.shift.detach().clone()
    row = trainer(Detector(), toy=toy).step()
    assert row["equal"] == row["skipped"] == 1
    assert torch.equal(toy.shift, before)


def test_the_curve_is_the_mean_score_of_the_candidates_alone() -> None:
    plain = trainer(config=replace(WITH_BASE, ranked="candidates"), toy=moved(ToyGenerator(), 0.5)).step()
    assert trainer(toy=moved(ToyGenerator(), 0.5)).step()["reward"] == plain["reward"]


def test_the_base_is_asked_for_its_images_once_a_turn_and_nothing_is_decoded_twice() -> None:
    toy = ToyGenerator()
    trainer(toy=toy).step()
    assert toy.decoded == 2 * WITH_BASE.prompts_per_step * WITH_BASE.group_size


def test_without_a_reference_the_bases_images_are_ranked_all_the_same() -> None:
    seen = Seen()
    row = trainer(seen, replace(WITH_BASE, reference_weight=0.0)).step()
    assert {len(group.images) for group in seen.groups} == {2 * WITH_BASE.group_size}
    assert "reference" not in row


@pytest.mark.parametrize("overlap", ["exact", "one_step"])
def test_a_run_that_goes_on_learns_what_an_uninterrupted_one_does(tmp_path: Path, overlap: str) -> None:
    config = replace(WITH_BASE, steps=6, checkpoint_every=2, overlap=overlap)  # type: ignore[arg-type]
    whole, halves = trainer(config=config), trainer(config=replace(config, steps=4))
    run(whole, tmp_path / "whole")
    run(halves, tmp_path / "halves")
    again = trainer(config=config)
    run(again, tmp_path / "halves")
    names = ("step", "loss", "reward")
    found = [
        [[row[name] for name in names] for row in read_rows(tmp_path / folder / "log.jsonl")]
        for folder in ("whole", "halves")
    ]
    assert found[0] == found[1]
    assert all(map(torch.equal, whole.weights, again.weights))


def test_a_search_for_candidates_that_pass_is_refused_with_what_to_set() -> None:
    with pytest.raises(UsageError, match="max_rounds=4: .* ranked=candidates"):
        replace(WITH_BASE, max_rounds=4)
