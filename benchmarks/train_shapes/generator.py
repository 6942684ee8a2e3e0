"""Text encoder and U-Net, regressed onto the corpus; and the feature map of what they make."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from benchmarks.train_shapes.corpus import pairs, to_tensor
from benchmarks.train_shapes.descent import Descent
from drpo.features.latent_mae import LatentMae, fit, save
from drpo.shapes.detector import Shapes
from drpo.shapes.render import Scene
from drpo.shapes.world import TASKS, parse, prompts


def train_generator(pipe: StableDiffusionPipeline, steps: int, squared: float, seed: int) -> None:
    """Regress text encoder and U-Net onto the corpus, at the one timestep that a one-step sampler visits.

    Least squares first, which learns what the noise means; then absolute error, whose optimum is one image
    and not a mixture.
    """
    rng = np.random.default_rng(seed)
    pipe.vae.requires_grad_(False)
    descent = Descent([*pipe.unet.parameters(), *pipe.text_encoder.parameters()], 1e-3, steps)
    started, known, squares = time.time(), dict[Scene, Tensor](), list[float]()
    for step, (asked, noise, scenes) in zip(range(steps), pairs(rng), strict=False):
        predicted, target = predict(pipe, asked, noise), encode(pipe.vae, scenes, known)
        square = mse_loss(predicted, target)
        descent.step(square if step < steps * squared else l1_loss(predicted, target))
        squares.append(square.item())
        if step % 250 == 249:
            row = {
                "step": step + 1,
                "square": round(float(np.mean(squares[-250:])), 4),
                "s": round(time.time() - started),
            }
            print(json.dumps(row | {"strict": strict(pipe, prompts("tuning"), 4)}), flush=True)


def train_map(pipe: StableDiffusionPipeline, seed: int, path: Path, *, steps: int = 600) -> None:
    """The masked autoencoder of what the generator makes, images right and wrong alike."""
    torch.manual_seed(seed)
    batches = itertools.islice(pairs(np.random.default_rng(seed + 2)), steps)
    mae = LatentMae(16, base=48, layers=(2,))
    with torch.no_grad():
        latents = [predict(pipe, asked, noise) for asked, noise, _ in batches]
    losses = fit(mae, latents, seed=seed)
    save(mae, path)
    print(
        json.dumps(
            {"map": steps, "loss": [round(float(np.mean(part)), 3) for part in (losses[:20], losses[-20:])]}
        ),
        flush=True,
    )


def predict(pipe: StableDiffusionPipeline, asked: list[str], noise: Tensor) -> Tensor:
    """One step of the pipeline's own scheduler, with a graph; the scheduler's prediction type is the sample
    itself.
    """
    tokens = pipe.tokenizer(asked, padding="max_length", truncation=True, return_tensors="pt").input_ids
    pipe.scheduler.set_timesteps(1)
    (t,) = pipe.scheduler.timesteps
    latents = noise * pipe.scheduler.init_noise_sigma
    sample: Tensor = pipe.unet(
        pipe.scheduler.scale_model_input(latents, t), t, pipe.text_encoder(tokens)[0]
    ).sample
    return sample


def encode(vae: AutoencoderTiny, scenes: list[Scene], known: dict[Scene, Tensor]) -> Tensor:
    """Latents of scenes in the pipeline's scale; the corpus has few different scenes, so each is encoded
    once.
    """
    new = [one for one in dict.fromkeys(scenes) if one not in known]
    if new:
        with torch.no_grad():
            known.update(
                zip(new, vae.encode(to_tensor(new)).latents * vae.config.scaling_factor, strict=True)
            )
    return torch.stack([known[one] for one in scenes])


def strict(pipe: StableDiffusionPipeline, asked: list[str], each: int) -> dict[str, float]:
    """Share of images the detector passes, in all and per task, on fixed noises."""
    noise = torch.randn(len(asked) * each, 16, 4, 4, generator=torch.Generator().manual_seed(1))
    repeated = [prompt for prompt in asked for _ in range(each)]
    with torch.no_grad():
        pixels = pipe.vae.decode(predict(pipe, repeated, noise) / pipe.vae.config.scaling_factor).sample
    images = pipe.image_processor.postprocess(pixels, output_type="pil")
    passed = np.array([one.score for one in Shapes(mode="strict").score(images, repeated)])
    tasks = np.array([parse(prompt).task for prompt in repeated])
    return {"all": round(passed.mean(), 3)} | {task: round(passed[tasks == task].mean(), 3) for task in TASKS}
