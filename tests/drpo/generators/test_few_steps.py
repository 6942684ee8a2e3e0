"""Few steps: the image is the stock pipeline's, and the gradient is that of the last steps alone."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import tiny_flows
import tiny_pipelines
import torch
from diffusers import LCMScheduler
from lora_pipelines import LOADERS, PROMPT, shift
from tiny_updates import MAPS, Red, trainer
from torch import Tensor

from drpo import build
from drpo.config import Config
from drpo.generators import sdxl_one_step
from drpo.generators.one_step import OneStep
from drpo.run.memory import activations
from rankkit import UsageError

STEPS = 4
FAMILIES = ("sd", "sdxl", "lcm")
FLOWS = {"z_image_turbo": tiny_flows.z_image, "flux2_klein": tiny_flows.flux2_klein}
SMALL = 0.003  # of a move of every weight's LoRA


def load(family: str, folder: Path, **options: Any) -> Any:
    given = {"rank": 4, "inference_steps": STEPS, "checkpointing": False} | options
    if family in FLOWS:
        return importlib.import_module(f"drpo.generators.{family}").load(
            str(FLOWS[family](folder)), image_size=16, **given
        )
    model = str(tiny_pipelines.sd(folder) if family == "sd" else tiny_pipelines.sdxl(folder))
    if family == "lcm":
        return sdxl_one_step.load(model, scheduler="lcm", **given)
    return LOADERS[family](model, **given)


def drawn(generator: OneStep, noise: Tensor, pipe: Any = None, output_type: str = "latent") -> Any:
    return (pipe or generator.pipe)(
        PROMPT, num_inference_steps=STEPS, guidance_scale=0.0, latents=noise, output_type=output_type,
        num_images_per_prompt=len(noise), generator=generator.noise_between(noise),
    ).images  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_a_candidate_and_the_trained_lora_are_the_stock_pipelines_to_the_bit(
    family: str, tmp_path: Path
) -> None:
    generator = load(family, tmp_path / "model")
    noise = generator.noise(2, 5)
    shift(generator)
    with torch.no_grad():
        sample = generator.sample(PROMPT, noise)
    assert torch.equal(sample.latents, drawn(generator, noise))
    assert [image.tobytes() for image in sample.images()] == [
        image.tobytes() for image in drawn(generator, noise, output_type="pil")
    ]
    generator.save(tmp_path / "run")
    fresh = type(generator.pipe).from_pretrained(tmp_path / "model")
    if family == "lcm":
        fresh.scheduler = LCMScheduler.from_config(fresh.scheduler.config)
    fresh.load_lora_weights(str(tmp_path / "run"))
    assert torch.equal(sample.latents, drawn(generator, noise, fresh))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_candidate_is_the_same_in_every_batch_and_at_the_base(family: str, tmp_path: Path) -> None:
    generator = load(family, tmp_path)
    noise, state = generator.noise(4, 0), torch.get_rng_state()
    with torch.no_grad():
        together = generator.sample(PROMPT, noise).latents
        chosen = generator.sample(PROMPT, noise[[3, 1]]).latents
        shift(generator)
        torch.set_rng_state(state)
        with generator.reference():
            base = generator.sample(PROMPT, noise).latents
        assert not torch.allclose(generator.sample(PROMPT, noise).latents, base, atol=1e-3)
    torch.testing.assert_close(chosen, together[[3, 1]])
    assert torch.equal(base, together) and torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("graph_steps", [1, 2, STEPS])
@pytest.mark.parametrize("family", [*FAMILIES, *FLOWS])
def test_the_gradient_is_that_of_the_last_steps_from_where_the_others_led(
    family: str, graph_steps: int, tmp_path: Path
) -> None:
    generator, seen = load(family, tmp_path, graph_steps=graph_steps), list[bool]()
    shift(generator)
    noise, weights = generator.noise(1, 0), list(generator.parameters().values())
    handle = generator.network.register_forward_hook(
        lambda module, inputs, output: seen.append(output[0][0].requires_grad)
    )
    generator.sample(PROMPT, noise).latents.square().mean().backward()
    handle.remove()
    assert seen == [False] * (STEPS - graph_steps) + [True] * graph_steps and torch.is_grad_enabled()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in weights)
    way = [weight.grad / weight.grad.norm() for weight in weights if weight.grad is not None]
    slope = sum(float((weight.grad * step).sum()) for weight, step in zip(weights, way, strict=True))
    values = [moved(generator, noise, graph_steps, sign * SMALL, way) for sign in (1, -1)]
    assert (values[0] - values[1]) / (2 * SMALL) == pytest.approx(slope, rel=0.02)


def moved(generator: Any, noise: Tensor, last: int, length: float, way: list[Tensor]) -> float:
    """What the loss is where the weights are moved for the `last` steps alone."""
    weights, calls = list(generator.parameters().values()), list[int]()

    def before(module: Any, inputs: Any) -> None:
        calls.append(1)
        if len(calls) == STEPS - last + 1:
            change(length)

    def change(length: float) -> None:
        for weight, step in zip(weights, way, strict=True):
            weight.data += length * step

    handle = generator.network.register_forward_pre_hook(before)
    with torch.no_grad():
        value = float(generator.sample(PROMPT, noise).latents.double().square().mean())
    handle.remove()
    change(-length)
    return value


@pytest.mark.parametrize("family", ["sdxl", "flux2_klein"])
def test_two_steps_with_a_graph_keep_the_activations_of_two_and_change_no_image(
    family: str, tmp_path: Path
) -> None:
    kept, images = dict[int, int](), list[Tensor]()
    for graph_steps in (1, 2, STEPS):
        torch.manual_seed(0)
        generator = load(family, tmp_path, graph_steps=graph_steps)
        shift(generator)
        images.append(generator.sample(PROMPT, generator.noise(1, 0)).latents.detach())
        kept[graph_steps] = activations(generator, MAPS["latent"](generator))
    assert all(torch.equal(image, images[0]) for image in images)
    assert kept[2] == pytest.approx(2 * kept[1], rel=0.2)
    assert kept[STEPS] == pytest.approx(STEPS * kept[1], rel=0.2)


@pytest.mark.parametrize("family", FAMILIES)
def test_training_moves_it(family: str, tmp_path: Path) -> None:
    generator = load(family, tmp_path, checkpointing=True)
    noise = generator.noise(2, 0)
    before = generator.sample(PROMPT, noise).latents
    row = trainer(generator, MAPS["vit_mae"](generator), Red()).step()
    assert row["gradient"] > 0 and not torch.equal(generator.sample(PROMPT, noise).latents, before)


def test_steps_are_a_setting_that_is_refused_where_it_has_no_meaning(tmp_path: Path) -> None:
    model = str(tiny_pipelines.sdxl(tmp_path))
    given: Any = {"ranker": "", "prompts": "", "precision": "fp32", "model": model, "inference_steps": 4}
    made: Any = build.generator(Config(generator="sdxl_turbo", **given))
    assert made.inference_steps == 4
    with pytest.raises(UsageError, match=r"inference_steps=4: generator=sana_sprint has no such setting"):
        build.generator(Config(generator="sana_sprint", **given))
    with pytest.raises(UsageError, match=r"timestep=800 says where one step starts, and inference_steps=4"):
        build.generator(Config(generator="sdxl_one_step", timestep=800, **given))
    with pytest.raises(UsageError, match=r"inference_steps=0 must be at least 1"):
        Config(generator="sd_turbo", ranker="", prompts="", inference_steps=0)
    with pytest.raises(UsageError, match=r"graph_steps=3: candidates are made in inference_steps=2"):
        Config(generator="sd_turbo", ranker="", prompts="", inference_steps=2, graph_steps=3)
    both: Any = build.generator(Config(generator="sdxl_turbo", **given, graph_steps=2))
    assert both.graph_steps == 2
