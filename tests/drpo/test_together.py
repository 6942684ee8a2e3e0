"""The prompts of a step together: one call of the network and of the ranker, what memory allows, and what is
done while a ranker elsewhere answers.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny_pipelines
import torch
from tiny_updates import MAPS, SETTINGS, Red
from torch import Tensor
from toy_generator import SETTINGS as TOY
from toy_generator import Crowded, Scorer, ToyGenerator, ranked_trainer

from drpo.features.latent import Latent
from drpo.generators import sd_turbo, sdxl_turbo
from drpo.generators.one_step import OneStep
from drpo.run import memory
from drpo.train import Trainer
from drpo.types import Sample
from rankkit import Group, Ranking

TOGETHER = dataclasses.replace(SETTINGS, prompts_per_step=3, steps=3)


class Calls(Red):
    """Counts calls."""

    calls = 0

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        self.calls += 1
        return super().rank(groups)


def made(
    folder: Path, family: str = "sd", features: str = "latent_mae", ranker: Any = None, at_once: int = 0
) -> Trainer:
    load = {"sd": sd_turbo.load, "sdxl": sdxl_turbo.load}[family]
    torch.manual_seed(0)
    generator = load(str(getattr(tiny_pipelines, family)(folder)), rank=4, checkpointing=False)
    trainer = ranked_trainer(
        TOGETHER, generator, MAPS[features](generator), ranker or Red(), ["a cat", "a dog", "an old man"]
    )
    trainer.at_once = at_once or trainer.at_once
    return trainer


def test_a_step_calls_the_network_twice_and_the_ranker_once_for_all_its_prompts(tmp_path: Path) -> None:
    ranker, calls = Calls(), []
    trainer = made(tmp_path, ranker=ranker)
    assert isinstance(trainer.generator, OneStep)
    trainer.generator.pipe.unet.register_forward_pre_hook(
        lambda module, inputs, options: calls.append(len(inputs[0])), with_kwargs=True
    )
    trainer.step()
    assert calls == [18, 18] and (ranker.calls, ranker.seen) == (1, 18)


@pytest.mark.parametrize(
    ("family", "features"), [("sd", "latent_mae"), ("sd", "vit_mae"), ("sdxl", "teacher_unet")]
)
def test_prompts_together_learn_what_they_learn_one_by_one(
    family: str, features: str, tmp_path: Path
) -> None:
    one, all_ = (made(tmp_path / str(n), family, features, at_once=n) for n in (1, 3))
    for _ in range(2):
        apart, together = one.step(), all_.step()
        assert together["loss"] == pytest.approx(apart["loss"], rel=1e-5)
        assert together["gradient"] == pytest.approx(apart["gradient"], rel=1e-3)


class Spoilt(OneStep):
    """A generator whose candidates of one prompt are no numbers."""

    def sample_all(self, prompts: Sequence[str], noises: Sequence[Tensor]) -> list[Sample]:
        spoilt = [
            noise * float("nan") if prompt == "a dog" and not self._at_base else noise
            for prompt, noise in zip(prompts, noises, strict=True)
        ]
        return super().sample_all(prompts, spoilt)


def test_a_broken_group_spoils_no_other_groups_gradient(tmp_path: Path) -> None:
    trainer = made(tmp_path)
    trainer.generator.__class__ = Spoilt
    row = trainer.step()
    assert row["broken"] == pytest.approx(1 / 3) and row["skipped"] == pytest.approx(1 / 3)
    assert row["gradient"] > 0


def test_where_memory_does_not_suffice_fewer_prompts_are_held_and_nothing_else_changes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = dataclasses.replace(TOY, prompts_per_step=4)
    crowded, roomy = (
        ranked_trainer(config, toy, Latent(), Scorer(), ["a", "b", "c"])
        for toy in (Crowded(), ToyGenerator())
    )
    for _ in range(3):
        rows = crowded.step(), roomy.step()
    assert crowded.at_once == 2 and rows[0]["loss"] == pytest.approx(rows[1]["loss"], rel=1e-5)
    assert (
        capsys.readouterr().err.count("memory does not suffice for 4 prompts at once; going on with 2") == 1
    )


class Elsewhere(Scorer):
    """A ranker in another process, as far as a trainer can tell; answers once the base was seen `ahead`
    times.
    """

    elsewhere = True

    def __init__(self, toy: ToyGenerator) -> None:
        self.toy, self.asked_from = toy, set[int]()

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        self.asked_from.add(threading.get_ident())
        return super().rank(groups)


@pytest.mark.parametrize("at_once", [1, 2, 9])
def test_what_is_done_while_a_ranker_elsewhere_answers_changes_nothing(at_once: int) -> None:
    toys = ToyGenerator(), ToyGenerator()
    rankers = Elsewhere(toys[0]), Scorer()
    trainers = [
        ranked_trainer(
            dataclasses.replace(TOY, steps=4, prompts_per_step=3), toy, Latent(), ranker, ["a", "b"]
        )
        for toy, ranker in zip(toys, rankers, strict=True)
    ]
    for trainer in trainers:
        trainer.at_once = at_once
    for _ in range(4):
        away, here = (trainer.step() for trainer in trainers)
        assert {name: away[name] for name in ("loss", "reward", "gradient")} == {
            name: here[name] for name in ("loss", "reward", "gradient")
        }
    assert all(torch.equal(*pair) for pair in zip(*(trainer.weights for trainer in trainers), strict=True))
    assert threading.get_ident() not in rankers[0].asked_from


def test_the_next_steps_base_is_seen_before_a_ranker_elsewhere_has_answered() -> None:
    seen = threading.Event()

    class Waits(Elsewhere):
        def rank(self, groups: Sequence[Group]) -> list[Ranking]:
            assert seen.wait(20), "nobody went on"
            return Scorer().rank(groups)

    class Watched(ToyGenerator):
        prompts = 0

        def sample_all(self, prompts: Sequence[str], noises: Sequence[Tensor]) -> list[Sample]:
            self.prompts += len(prompts) if self.trained == 0 else 0
            if self.prompts == 4:  # this step's two and the next one's
                seen.set()
            return super().sample_all(prompts, noises)

    toy = Watched()
    ranked_trainer(TOY, toy, Latent(), Waits(toy), ["a", "b"]).step()
    assert toy.prompts == 4


def test_checkpointing_is_on_by_itself_only_where_one_prompts_activations_do_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = made(tmp_path)
    generator, features = trainer.generator, trainer.features
    assert isinstance(generator, OneStep)
    each = memory.activations(generator, features)
    assert each > 0
    for prompts, checkpointing in ((5.5, "auto"), (1.5, "auto"), (0.5, "auto"), (0.5, "off"), (5.5, "on")):
        generator.use_checkpointing(checkpointing == "on")
        room = int(prompts * each * TOGETHER.group_size)
        monkeypatch.setattr(memory, "room", lambda device, room=room: room)
        config = dataclasses.replace(TOGETHER, checkpointing=checkpointing)
        held = memory.at_once(config, generator, features, 3)
        expected = {5.5: 3, 1.5: 1, 0.5: 1}[prompts] if checkpointing != "on" else 1
        assert held == expected, (prompts, checkpointing)
        switched_on = checkpointing == "on" or (checkpointing, prompts) == ("auto", 0.5)
        assert generator.pipe.unet.is_gradient_checkpointing == switched_on == generator.checkpointing


def test_images_for_the_ranker_are_decoded_without_a_graph_in_batches_also_with_checkpointing(
    tmp_path: Path,
) -> None:
    generator = sd_turbo.load(str(tiny_pipelines.sd(tmp_path)), rank=4, checkpointing=True)
    batches: list[int] = []
    generator.pipe.vae.decoder.register_forward_pre_hook(
        lambda module, inputs: batches.append(len(inputs[0]))
    )
    sample = generator.sample("a cat", generator.noise(5, 0))
    assert not sample.shown.requires_grad and batches == [5]
    sample.pixels.sum().backward()
    assert batches[1:6] == [1] * 5  # with a graph one by one, and again in backward
