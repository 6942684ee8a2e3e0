"""The first part that is trained: images to latents and back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch.nn.functional import l1_loss, mse_loss

from benchmarks.train_shapes.corpus import VAE_BATCH, crowd, pairs, to_tensor
from benchmarks.train_shapes.descent import Descent
from benchmarks.train_shapes.networks import new_autoencoder
from drpo.shapes.render import Scene


def train_autoencoder(seed: int, crowded_steps: int, corpus_steps: int) -> AutoencoderTiny:
    """First crowded images, because sparse ones teach little but grey; then the corpus, until the detector
    reads every copy.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    vae = new_autoencoder()
    reconstruct(vae, crowded_steps, 3e-3, lambda: [crowd(rng) for _ in range(VAE_BATCH)], 0.0)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed + 1)
    batches = pairs(rng, VAE_BATCH)
    reconstruct(vae, corpus_steps, 2e-3, lambda: next(batches)[2], 0.1)
    scenes = [one for _ in range(64) for one in next(pairs(rng, VAE_BATCH))[2]]
    vae.requires_grad_(False).eval()
    vae.register_to_config(scaling_factor=1 / vae.encode(to_tensor(scenes)).latents.std().item())
    return vae


def reconstruct(
    vae: AutoencoderTiny, steps: int, rate: float, draw: Callable[[], list[Scene]], absolute: float
) -> None:
    """Minimise the squared error, plus `absolute` times the absolute one, of images rebuilt from slightly
    noisy latents.
    """
    descent = Descent(vae.parameters(), rate, steps)
    started = time.time()
    for step in range(steps):
        images = to_tensor(draw())
        latents = vae.encode(images).latents
        rebuilt = vae.decode(latents + 0.02 * torch.randn_like(latents)).sample
        descent.step(mse_loss(rebuilt, images) + absolute * l1_loss(rebuilt, images))
        if step % 500 == 499:
            print(
                json.dumps(
                    {
                        "vae": step + 1,
                        "l1": round(l1_loss(rebuilt, images).item(), 4),
                        "s": round(time.time() - started),
                    }
                ),
                flush=True,
            )
