"""The baselines: each learns from K images a turn, and what needs no gradient of the reward asks for none."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from benchmarks.baselines import METHODS, Diverged, Learner, at_inference
from benchmarks.baselines.proxy import Proxy, request_vector
from drpo import build
from drpo.anchors import RankedAnchors
from drpo.data.prompts import prompts
from drpo.generators.one_step import OneStep
from drpo.recipes import recipe
from drpo.settings import with_settings
from rankkit import Group, Ranking

SMALL = ("group_size=6", "anchors=2", "prompts_per_step=2")


class Counting:
    """The graded detector, and how many images it saw."""

    def __init__(self) -> None:
        self.seen, self.ranker = 0, build.ranker("shapes")

    def rank(self, groups: list[Group]) -> list[Ranking]:
        self.seen += sum(len(group.images) for group in groups)
        return list(self.ranker.rank(groups))


@cache
def generator() -> OneStep:
    made = build.generator(recipe("shapes"))
    assert isinstance(made, OneStep)
    return made


def learner(name: str, *more: str, knob: float | None = None) -> tuple[Learner, Counting]:
    config = with_settings(recipe("shapes"), [*SMALL, *more])
    torch.manual_seed(0)
    for key, weight in generator().parameters().items():
        weight.data.normal_(0, 0.02) if "lora_A" in key else weight.data.zero_()
    method, counting = METHODS[name], Counting()
    proxy = Proxy().requires_grad_(False) if method.needs_gradient else None
    source = RankedAnchors(counting, config, prompts("shapes"))
    features = build.features(config, generator())
    own = method.tries[0][1] if knob is None else knob
    return Learner(config, generator(), features, source, method, own, proxy), counting


@pytest.mark.parametrize("name", METHODS)
def test_a_baseline_changes_the_generator_by_k_images_a_turn(name: str) -> None:
    trained, counting = learner(name)
    before = [weight.detach().clone() for weight in trained.weights]
    trained.step()
    assert any(not torch.equal(a, b) for a, b in zip(before, trained.weights, strict=True))
    assert counting.seen == (0 if METHODS[name].needs_gradient else 12)


@pytest.mark.parametrize("name", METHODS)
def test_every_baseline_has_as_many_tries(name: str) -> None:
    assert len(set(METHODS[name].tries)) == 3


def test_a_step_that_leaves_the_finite_numbers_is_said_to_have_diverged() -> None:
    trained, _ = learner("best_of_k", "learning_rate=1e30")
    with pytest.raises(Diverged, match="finite"):
        for _ in range(3):
            trained.step()


def test_where_nobody_is_preferred_rejection_finetuning_changes_nothing() -> None:
    trained, _ = learner("best_of_k", "ranker=shapes")
    trained.ranked.ranker = Equal()
    before = [weight.detach().clone() for weight in trained.weights]
    trained.step()
    assert all(torch.equal(a, b) for a, b in zip(before, trained.weights, strict=True))


class Equal:
    """A ranker that prefers nobody."""

    def rank(self, groups: list[Group]) -> list[Ranking]:
        return [Ranking((0.5,) * len(group.images)) for group in groups]


def test_draft_without_its_guard_climbs_the_proxy() -> None:
    trained, _ = learner("draft", knob=0.0)

    def reward() -> float:
        trained.steps_done = 0  # the first turns again
        with torch.no_grad():
            return sum(float(visit.reward(visit.sample()).mean()) for visit in trained._visits())

    before = reward()
    for _ in range(4):
        trained.steps_done = 0
        trained.step()
    assert reward() > before


def test_the_proxy_has_a_gradient_to_every_pixel_channel() -> None:
    pixels = torch.zeros(2, 3, 32, 32, requires_grad=True)
    Proxy().score(pixels, "a photo of a red circle").sum().backward()
    assert pixels.grad is not None and pixels.grad.abs().sum((0, 2, 3)).min() > 0


def test_prompts_that_ask_for_different_things_are_different_to_the_proxy() -> None:
    asked = ["a circle above a square", "a square above a circle", "a circle below a square", "two circles"]
    vectors = {tuple(request_vector(f"a photo of {words}")) for words in asked}
    assert len(vectors) == len(asked)
    assert request_vector("a photo of two circles") == request_vector("a sketch of two circles")


def test_the_best_of_several_is_right_more_often_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_inference, "EACH", 2)
    monkeypatch.setattr(at_inference, "prompts", lambda split: prompts_of(split)[::12])
    with generator().reference():
        one, many = (
            at_inference.measure(generator(), build.ranker("shapes"), "tuning", k, 5) for k in (1, 12)
        )
    assert many.score.mean() > one.score.mean()
    assert many.passed.shape == (3, 2)


def prompts_of(split: str) -> list[str]:
    from drpo.shapes.world import prompts as world_prompts

    return world_prompts(split)  # type: ignore[arg-type]
