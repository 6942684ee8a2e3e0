"""The first images of a run, before any update: whether they are numbers, and whether they are noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from drpo.types import Sample
from rankkit import RankkitError

CELL, CELLS = 8, 16  # pixels of a latent of most autoencoders, and how many of them an image has at least
NOISE = 0.4  # correlation of neighbouring cells: 0 in white noise, 0.8 and more in photographs and drawings


def check_first_images(samples: Sequence[Sample], precision: str) -> str:
    """What is to be said of a base's images, in words, or nothing.

    Raises `RankkitError` where none of them is made of finite numbers, so that nothing could be learned.
    """
    known = [sample for sample in samples if sample.shown.isfinite().all()]
    if samples and not known:
        raise RankkitError(_broken(samples, precision))
    found = [correlation for sample in known for correlation in map(neighbours, sample.images())]
    measured = [correlation for correlation in found if correlation is not None]
    mean = float(np.mean(measured)) if measured else 1.0  # flat images are no noise
    if mean > NOISE:
        return ""
    return (
        f"the base's images look like noise: neighbouring cells of {CELL} pixels correlate by "
        f"{mean:.2f}, those of photographs by 0.8 and more. Is it a model of as many steps as "
        "inference_steps= says (a base of 50 steps is none of one), with its own scheduler and timestep? "
        "Look at the first sample grid before training on"
    )


def _broken(samples: Sequence[Sample], precision: str) -> str:
    """Which part gave what is no number, and the way out."""
    if all(sample.latents.isfinite().all() for sample in samples):
        return (
            f"the autoencoder overflows in precision={precision}: latents are finite, and every decoded "
            "image has values that are no numbers; take precision=bf16, or replace the folder vae/ of the "
            "model by one that was mended for half precision (for SDXL madebyollin/sdxl-vae-fp16-fix)"
        )
    return (
        f"the network gives no finite numbers in precision={precision}; take precision=bf16 or fp32, and see "
        "whether the model's files are whole"
    )


def neighbours(image: Image.Image) -> float | None:
    """Correlation of neighbouring cells of an image in luma, -1 to 1; None where it is flat, or too small.

    Detail finer than an autoencoder's cell says nothing: a decoder makes smooth texture of noise, too.
    """
    cell = min(CELL, image.width // CELLS, image.height // CELLS)
    if cell < 1:
        return None
    size = image.width // cell, image.height // cell
    luma = np.asarray(image.convert("L").resize(size, Image.Resampling.BOX), dtype=np.float64)
    luma -= luma.mean()
    variance = float(np.mean(luma**2))
    if variance < 1:  # of 255 levels: flat
        return None
    across, down = np.mean(luma[:, 1:] * luma[:, :-1]), np.mean(luma[1:] * luma[:-1])
    return float(across + down) / 2 / variance
