"""SANA-Sprint on a tiny random pipeline: a candidate is what the stock pipeline gives, what is saved loads
there, and training moves it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import SanaSprintPipeline
from lora_pipelines import PROMPT, check_saved_lora, shift
from tiny_sana import sana
from tiny_updates import MAPS, Red, trainer
from torch import Tensor

from drpo.features import latent_mae, teacher_unet
from drpo.generators import sana_sprint
from drpo.generators.sana_sprint import SanaSprint
from drpo.types import ImageGenerator
from rankkit import RankkitError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sana(tmp_path / "model")


def load(folder: Path, **options: Any) -> SanaSprint:
    torch.manual_seed(0)
    return sana_sprint.load(str(folder), rank=4, **({"checkpointing": False} | options))


def stock(folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    pipe = SanaSprintPipeline.from_pretrained(folder, dtype=dtype)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def drawn(pipe: Any, noise: Tensor, output_type: str = "pil") -> Any:
    """What a user asks for; the size is that of the noise, which only the real model's default is."""
    size = {"height": 32, "width": 32, "use_resolution_binning": False}
    return pipe(
        PROMPT, num_inference_steps=1, intermediate_timesteps=None, latents=noise,
        num_images_per_prompt=len(noise), output_type=output_type, **size,
    ).images  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_candidate_equals_the_stock_pipelines_to_the_bit(folder: Path, dtype: torch.dtype) -> None:
    generator, pipe = load(folder, dtype=dtype), stock(folder, dtype)
    noise = generator.noise(3, 5)
    with torch.no_grad():
        sample = generator.sample(PROMPT, noise)
    assert torch.equal(sample.latents, drawn(pipe, noise, "latent")) and noise.dtype == torch.float32
    assert [image.tobytes() for image in sample.images()] == [image.tobytes() for image in drawn(pipe, noise)]
    assert {weight.dtype for weight in generator.parameters().values()} == {torch.float32}


def test_the_saved_lora_changes_the_stock_pipelines_images_as_ours(folder: Path, tmp_path: Path) -> None:
    check_saved_lora(load(folder), load(folder), stock(folder), drawn, tmp_path / "run")


def test_the_instruction_and_the_guidance_scale_of_the_pipeline_reach_the_model(folder: Path) -> None:
    pipe, generator = stock(folder), load(folder)
    noise = generator.noise(1, 0)
    options: dict[str, Any] = {"num_inference_steps": 1, "intermediate_timesteps": None, "latents": noise}
    options |= {"use_resolution_binning": False, "output_type": "latent", "height": 32, "width": 32}
    with torch.no_grad():
        ours = generator.sample(PROMPT, noise).latents
    assert torch.equal(ours, pipe(PROMPT, guidance_scale=4.5, **options).images)
    for other in ({"guidance_scale": 1.0}, {"complex_human_instruction": None}, {"max_timesteps": 1.4}):
        assert not torch.equal(ours, pipe(PROMPT, **options, **other).images)


def test_sampling_leaves_the_global_random_state_alone(folder: Path) -> None:
    generator = load(folder)
    noise, before = generator.noise(2, 0), torch.get_rng_state()
    one, other = (generator.sample(PROMPT, noise).latents for _ in range(2))
    assert torch.equal(one, other) and torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("features", ["latent", "vit_mae"])
def test_training_moves_it(folder: Path, features: str) -> None:
    generator = load(folder, checkpointing=True)
    noise = generator.noise(2, 0)
    before = generator.sample(PROMPT, noise).latents
    row = trainer(generator, MAPS[features](generator), Red()).step()
    assert row["gradient"] > 0 and not torch.equal(generator.sample(PROMPT, noise).latents, before)


def test_checkpointing_changes_no_gradient_and_keeps_less_of_the_decoder(folder: Path) -> None:
    gradients, kept = [], []
    for on in (False, True):
        generator, stored = load(folder, checkpointing=on), [0]
        shift(generator)

        def keep(tensor: Tensor, stored: list[int] = stored) -> Tensor:
            stored[0] += tensor.nbytes
            return tensor

        sample = generator.sample(PROMPT, generator.noise(2, 0))
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            total = sample.pixels.square().mean()
        total.backward()
        gradients.append([weight.grad for weight in generator.parameters().values()])
        kept.append(stored[0])
    assert all(mine is not None and mine.abs().sum() > 0 for mine in gradients[0])
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs)
    assert kept[1] < 0.2 * kept[0]


def test_images_are_encoded_in_the_scale_of_the_latents(folder: Path) -> None:
    generator = load(folder)
    assert isinstance(generator, ImageGenerator) and generator.size == 32
    pixels = torch.rand(2, 3, 32, 32) * 2 - 1
    vae = generator.pipe.vae
    with torch.no_grad():
        latents = generator.encode_pixels(pixels)
        assert torch.equal(latents, vae.encode(pixels).latent * vae.config.scaling_factor)
        assert torch.equal(generator.decode(latents), vae.decode(latents / vae.config.scaling_factor).sample)


def test_what_does_not_go_with_it_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RankkitError, match=r"takes no guidance scale, so it is no SANA-Sprint"):
        load(sana(tmp_path / "plain", guidance_embeds=False))
    with pytest.raises(RankkitError, match=r"teacher_unet .* has no U-Net"):
        teacher_unet.load(load(folder))
    mae = tmp_path / "mae.safetensors"
    latent_mae.save(latent_mae.LatentMae(3, base=8, layers=(1, 1)), mae)
    with pytest.raises(RankkitError, match=r"latents of 3 channels; this generator's have 4"):
        latent_mae.load(load(folder), model=str(mae))
