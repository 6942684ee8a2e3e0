"""``overlap=one_step``: while the ranker answers, the next step's candidates are made; what that changes, and
what it does not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from toy_generator import SETTINGS, Crowded, Scorer, ToyGenerator, monitor, ranked_trainer

from drpo.features.latent import Latent
from drpo.loss import drpo_loss, select_rows
from drpo.preference import split
from drpo.run.files import read_rows
from drpo.run.run import run
from drpo.train import Trainer
from drpo.types import LogRow, Sample, fixed_seeds
from drpo.waiting import Patient
from rankkit import Group, Ranker, Ranking, RankkitError, UsageError

ONE_STEP = replace(SETTINGS, overlap="one_step", steps=6, checkpoint_every=2, ema=0.0)
PROMPTS = ["a", "b", "c"]


class Slow(Scorer):
    """Takes its time, now more and now less; counts groups, and whether it was asked twice at once."""

    def __init__(self, *seconds: float) -> None:
        self.seconds, self.groups, self.busy, self.twice = seconds, list[str](), False, False

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        self.twice, self.busy = self.twice or self.busy, True
        self.groups += [group.id for group in groups]
        time.sleep(self.seconds[len(self.groups) % len(self.seconds)])
        self.busy = False
        return super().rank(groups)


def trainer(ranker: Ranker | None = None, steps: int = 6, toy: ToyGenerator | None = None) -> Trainer:
    config = replace(ONE_STEP, steps=steps)
    return ranked_trainer(config, toy or ToyGenerator(), Latent(), ranker or Scorer(), PROMPTS)


def equal(one: Trainer, other: Trainer) -> bool:
    return all(map(torch.equal, one.weights + one.average, other.weights + other.average))


def test_an_update_learns_from_candidates_of_the_weights_before_the_last_one() -> None:
    learner, toy, config = trainer(), ToyGenerator(), ONE_STEP
    weights, features = list(toy.parameters().values()), Latent()
    optimizer = torch.optim.AdamW(weights, config.learning_rate, betas=(0.9, config.beta2), weight_decay=1e-4)
    earlier = [weight.detach().clone() for weight in weights]
    for step in range(config.steps):
        now = [weight.detach().clone() for weight in weights]
        losses = []
        for number in range(2 * step, 2 * step + 2):
            prompt = learner.source.prompt(number).text
            noise = toy.noise(config.group_size, next(fixed_seeds(config.seed, number)))
            with torch.no_grad():
                for weight, value in zip(weights, earlier, strict=True):
                    weight.copy_(value)
                seen = toy.sample(prompt, noise)
                (ranking,) = Scorer().rank([seen.group()])
                stale = features(seen)
                for weight, value in zip(weights, now, strict=True):
                    weight.copy_(value)
                with toy.reference():
                    base = features(toy.sample(prompt, noise))
            found = split(ranking, config.anchors)
            assert found
            points = features(toy.sample(prompt, noise))
            loss, _ = drpo_loss(points, select_rows(stale, found), base, config)
            (loss / 2).backward()
            losses.append(loss.item())
        torch.nn.utils.clip_grad_norm_(weights, config.clip)
        optimizer.step()
        optimizer.zero_grad()
        earlier = now
        assert learner.step()["loss"] == pytest.approx(sum(losses) / 2, rel=1e-6)
    for ours, plain in zip(learner.weights, weights, strict=True):
        assert torch.allclose(ours, plain, rtol=1e-5, atol=1e-7)


def test_it_differs_from_exact_from_the_second_update_on() -> None:
    exact = ranked_trainer(replace(ONE_STEP, overlap="exact"), ToyGenerator(), Latent(), Scorer(), PROMPTS)
    ours = trainer()
    pairs = [(exact.step()["loss"], ours.step()["loss"]) for _ in range(2)]
    assert pairs[0][0] == pairs[0][1] and pairs[1][0] != pairs[1][1]


@pytest.mark.parametrize("at_once", [1, 2])
def test_how_long_the_ranker_takes_changes_nothing_and_every_answer_is_used(at_once: int) -> None:
    ranker = Slow(0, 0.03, 0.01)
    quick, slow = trainer(), trainer(ranker)
    slow.at_once = at_once
    for _ in range(6):
        quick.step(), slow.step()
    for ours, others in zip(quick.weights, slow.weights, strict=True):
        assert torch.allclose(ours, others, rtol=1e-5, atol=1e-7)
    asked = [f"step-{number // 2}/{number}" for number in range(12)]  # none beyond the last
    assert sorted(ranker.groups) == sorted(asked) and (at_once == 1 or ranker.groups == asked)


def test_the_next_steps_candidates_are_made_before_the_ranker_has_answered() -> None:
    made = threading.Event()

    class Waits(Scorer):
        def rank(self, groups: Sequence[Group]) -> list[Ranking]:
            assert made.wait(20), "nobody went on"
            return super().rank(groups)

    class Watched(ToyGenerator):
        decoded_steps = 0

        def sample_all(self, prompts: Sequence[str], noises: Sequence[Tensor]) -> list[Sample]:
            self.decoded_steps += self.trained == 1
            if self.decoded_steps == 3:  # this step's to be ranked, the next one's, this one's with a graph
                made.set()
            return super().sample_all(prompts, noises)

    trainer(Waits(), toy=Watched()).step()
    assert made.is_set()


def test_a_run_in_pieces_equals_one_in_one_piece_also_where_its_steps_grow(tmp_path: Path) -> None:
    whole, ranker = trainer(), Slow(0.01)
    run(whole, tmp_path / "whole")
    for steps in (3, 3, 5):  # the second finds it done
        run(trainer(steps=steps), tmp_path / "parts")
    last = trainer(ranker)
    run(last, tmp_path / "parts")
    assert equal(whole, last) and ranker.groups == ["step-5/10", "step-5/11"]
    logs = [read_rows(tmp_path / name / "log.jsonl") for name in ("whole", "parts")]
    losses = [[row["loss"] for row in rows] for rows in logs]
    assert losses[0] == losses[1] and len(losses[0]) == 6


class Fails(Scorer):
    """Fails on the candidates of one step."""

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        if groups[0].id.startswith("step-3/"):
            raise RuntimeError("no power")
        return super().rank(groups)


def test_what_goes_wrong_is_raised_by_the_step_that_needs_the_answer_and_the_run_goes_on(
    tmp_path: Path,
) -> None:
    whole, failed = trainer(), trainer(Fails())
    run(whole, tmp_path / "whole")
    with pytest.raises(RankkitError, match=r"failed at step 4, on .*no power; 3 steps are kept"):
        run(failed, tmp_path / "parts")
    resumed = trainer()
    run(resumed, tmp_path / "parts")
    assert equal(whole, resumed)


def test_the_ranker_is_never_asked_twice_at_once_though_evaluations_ask_it_too(tmp_path: Path) -> None:
    ranker = Slow(0.02)
    judge = Patient(ranker, "toy", 60)
    config = replace(ONE_STEP, eval_every=1)
    watched = monitor()
    watched.rankers["toy"] = judge
    run(ranked_trainer(config, ToyGenerator(), Latent(), judge, PROMPTS), tmp_path / "a", monitor=watched)
    assert not ranker.twice and len(ranker.groups) > 12


def test_where_memory_does_not_suffice_nothing_is_asked_twice() -> None:
    config, ranker = replace(ONE_STEP, prompts_per_step=4), Slow(0)
    rows = list[list[LogRow]]()
    for toy, asked in ((Crowded(), ranker), (ToyGenerator(), Scorer())):
        learner = ranked_trainer(config, toy, Latent(), asked, PROMPTS)
        rows.append([learner.step() for _ in range(3)])
    assert [row["loss"] for row in rows[0]] == pytest.approx([row["loss"] for row in rows[1]], rel=1e-5)
    assert len(ranker.groups) == len(set(ranker.groups)) == 16


@pytest.mark.parametrize("setting", [{"preferences": "pairs.jsonl"}, {"max_rounds": 3}])
def test_it_is_refused_where_nothing_can_be_made_meanwhile(setting: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="leave overlap=exact"):
        replace(ONE_STEP, **setting)
