"""The generator that ships with the package: small, stock, misaligned as documented, and finetuned end to end
by the command.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from toy_generator import ranked_trainer
from typer.testing import CliRunner

from drpo import build
from drpo.cli import app
from drpo.data import prompts as prompt_files
from drpo.generators.one_step import OneStep
from drpo.generators.shapes import WEIGHTS, load
from drpo.recipes import recipe
from drpo.run.run import run
from drpo.shapes.detector import Shapes
from drpo.shapes.world import prompts
from drpo.train import Trainer
from drpo.types import fixed_seeds
from rankkit import RankkitError, UsageError

PROMPT = "a photo of a red circle and a blue square"
SMALL = ["steps=4", "prompts_per_step=1", "group_size=4", "anchors=2", "checkpoint_every=2"]


@pytest.fixture(scope="module")
def generator() -> OneStep:
    torch.manual_seed(0)
    return load()


def test_all_that_ships_is_less_than_six_megabytes() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file()) < 6e6


def test_a_candidate_equals_the_stock_pipelines(generator: OneStep) -> None:
    noise = generator.noise(4, 0)
    pipe = StableDiffusionPipeline.from_pretrained(WEIGHTS, safety_checker=None).to("cpu", torch.float32)
    with torch.no_grad():
        mine = generator.sample(PROMPT, noise)
        theirs = pipe(
            PROMPT, num_inference_steps=1, guidance_scale=0.0, latents=noise, num_images_per_prompt=4
        ).images
    for one, other in zip(mine.images(), theirs, strict=True):
        assert np.abs(np.asarray(one, int) - np.asarray(other, int)).max() <= 1


def test_the_base_is_right_about_half_of_the_time(generator: OneStep) -> None:
    ranker, passed = Shapes(mode="strict"), list[float]()
    for index, prompt in enumerate(prompts("final")):
        with torch.no_grad():
            sample = generator.sample(prompt, generator.noise(6, next(fixed_seeds(9, index))))
        passed += ranker.rank([sample.group()])[0].scores
    assert 0.4 <= np.mean(passed) <= 0.65


def trainer(steps: int) -> Trainer:
    config = dataclasses.replace(
        recipe("shapes"), steps=steps, prompts_per_step=1, group_size=4, anchors=2, checkpoint_every=2
    )
    torch.manual_seed(config.seed)
    made = build.generator(config)
    texts = [prompt.text for prompt in prompt_files.prompts("shapes")]
    return ranked_trainer(config, made, build.features(config, made), build.ranker("shapes"), texts)


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Path) -> None:
    whole, first, second = trainer(4), trainer(2), trainer(4)
    run(whole, tmp_path / "whole")
    run(first, tmp_path / "parts")
    run(second, tmp_path / "parts")
    assert second.steps_done == 4
    assert all(
        torch.equal(a, b)
        for a, b in zip(whole.weights + whole.average, second.weights + second.average, strict=True)
    )


def test_the_command_trains_samples_and_evaluates(tmp_path: Path) -> None:
    out, asked = tmp_path / "run", tmp_path / "prompts.txt"
    asked.write_text(f"{PROMPT}\na photo of two crosses\n")
    result = CliRunner().invoke(app, ["train", "shapes", "ranker=shapes:mode=strict", f"out={out}", *SMALL])
    assert result.exit_code == 0 and result.stdout.strip() == str(out)
    assert (out / "pytorch_lora_weights.safetensors").is_file()
    pipe = StableDiffusionPipeline.from_pretrained(WEIGHTS, safety_checker=None)
    pipe.load_lora_weights(str(out))
    result = CliRunner().invoke(app, ["sample", str(out), "--prompts", str(asked), "--each", "2"])
    assert result.exit_code == 0
    assert sorted(str(path.relative_to(out / "samples")) for path in (out / "samples").rglob("*.*")) == [
        f"{folder}/{name}" for folder in ("00000", "00001") for name in ("0.png", "1.png", "prompt.txt")
    ]
    result = CliRunner().invoke(app, ["evaluate", str(out), "--prompts", str(asked), "-r", "shapes"])
    assert result.exit_code == 0 and result.stdout.startswith("shapes: mean ") and ", wins " in result.stdout


def test_the_feature_map_latent_mae_comes_with_the_generator(generator: OneStep) -> None:
    config = dataclasses.replace(recipe("shapes"), features="latent_mae")
    with torch.no_grad():
        points = build.features(config, generator)(generator.sample(PROMPT, generator.noise(4, 0)))
    assert {"mean", "std", "mean_2", "std_2"} == set(points) and all(
        z.isfinite().all() and z.std(0).max() > 0.01 for z in points.values()
    )


def test_maps_joined_by_a_plus_are_all_there_each_under_its_name(generator: OneStep) -> None:
    config = recipe("shapes")
    with torch.no_grad():
        sample = generator.sample(PROMPT, generator.noise(4, 0))
        alone = {
            name: build.features(dataclasses.replace(config, features=name), generator)(sample)
            for name in ("latent_mae", "latent")
        }
        points = build.features(dataclasses.replace(config, features="latent_mae+latent"), generator)(sample)
    assert set(points) == {f"{name}.{key}" for name, found in alone.items() for key in found}
    assert all(
        torch.equal(points[f"{name}.{key}"], value)
        for name, found in alone.items()
        for key, value in found.items()
    )


def test_keys_that_are_named_after_a_colon_are_those_of_the_map_alone(generator: OneStep) -> None:
    config = dataclasses.replace(recipe("shapes"), features="latent_mae")
    with torch.no_grad():
        sample = generator.sample(PROMPT, generator.noise(4, 0))
        whole = build.features(config, generator)(sample)
        for features, prefix in (
            ("latent_mae:std_2, mean", ""),
            ("latent_mae:std_2,mean+latent", "latent_mae."),
        ):
            some = build.features(dataclasses.replace(config, features=features), generator)(sample)
            assert list(some)[:2] == [f"{prefix}std_2", f"{prefix}mean"]
            assert all(torch.equal(some[prefix + key], whole[key]) for key in ("std_2", "mean"))


@pytest.mark.parametrize("keys", ["std_9", "std_2,std_9", ""])
def test_a_key_that_a_map_lacks_is_refused_with_those_it_has(generator: OneStep, keys: str) -> None:
    features = build.features(dataclasses.replace(recipe("shapes"), features=f"latent_mae:{keys}"), generator)
    sample = generator.sample(PROMPT, generator.noise(2, 0))
    with pytest.raises(UsageError, match=r"latent_mae has no .*; it has mean, std, mean_2, std_2"):
        features(sample)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("latent+latnt", "unknown feature 'latnt' .did you mean 'latent'"),
        ("latent", "the feature map 'latent' has no weights of its own; leave features_model empty"),
        (
            "latent_mae+vit_mae",
            "features_model names the weights of one map, and latent_mae and vit_mae have some each; take "
            "one of them",
        ),
        ("latent + latent", "features=latent . latent names a map twice"),
        ("latent+", "unknown feature ''"),
    ],
)
def test_maps_and_weights_that_do_not_go_together_are_one_message(
    generator: OneStep, features: str, message: str
) -> None:
    with pytest.raises(RankkitError, match=message):
        build.features(
            dataclasses.replace(recipe("shapes"), features=features, features_model="weights"), generator
        )
