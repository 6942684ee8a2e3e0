"""Generators with a LoRA on tiny pipelines, held against diffusers' own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drpo.generators import sd_turbo, sdxl_turbo
from drpo.generators._adapted import Adapted
from drpo.generators.one_step import OneStep

PROMPT = "a cat"
LOADERS: dict[str, Callable[..., OneStep]] = {"sd": sd_turbo.load, "sdxl": sdxl_turbo.load}


def stock(generator: OneStep, noise: Tensor, **options: Any) -> Any:
    with torch.no_grad():
        one_step: dict[str, Any] = {
            "num_inference_steps": 1,
            "guidance_scale": 0.0,
            "num_images_per_prompt": len(noise),
        }
        return generator.pipe(PROMPT, latents=noise, **one_step, **options).images


def shift(generator: Adapted) -> None:
    """Give the LoRA an effect: its second half starts at zero."""
    torch.manual_seed(1)
    for weight in generator.parameters().values():
        weight.data += 0.3 * torch.randn_like(weight)


def check_saved_lora(
    generator: Adapted, again: Adapted, pipe: Any, drawn: Callable[..., Any], folder: Path
) -> None:
    """Check that a saved LoRA changes the stock pipeline's images, made by `drawn`, as ours, to the bit.

    Without it they are the base's, and `again` reads it back.
    """
    noise = generator.noise(2, 0)
    base = drawn(pipe, noise, "latent")
    shift(generator)
    generator.save(folder)
    pipe.load_lora_weights(str(folder))
    with torch.no_grad():
        ours = generator.sample(PROMPT, noise)
        with generator.reference():
            assert torch.equal(generator.sample(PROMPT, noise).latents, base)
    assert torch.equal(ours.latents, drawn(pipe, noise, "latent"))
    assert [image.tobytes() for image in ours.images()] == [image.tobytes() for image in drawn(pipe, noise)]
    assert not torch.allclose(ours.latents, base, atol=1e-3)
    again.load(folder)
    with torch.no_grad():
        assert torch.equal(again.sample(PROMPT, noise).latents, ours.latents)


def renamed(weights: Mapping[str, Tensor], old: str, new: str) -> dict[str, Tensor]:
    """A LoRA's weights under other names."""
    return {name.replace(old, new): value for name, value in weights.items()}


def kohya(weights: Mapping[str, Tensor], alpha: float = 2.0) -> dict[str, Tensor]:
    """The weights of a LoRA in the names of kohya's scripts, with an alpha for each layer."""
    found = {}
    for name, value in weights.items():
        layer, half = name.removeprefix("unet.").rsplit(".lora_", 1)
        stem = f"lora_unet_{layer.replace('.', '_')}"
        found[f"{stem}.lora_{'down' if half[0] == 'A' else 'up'}.weight"] = value
        found[f"{stem}.alpha"] = torch.tensor(alpha)
    return found
