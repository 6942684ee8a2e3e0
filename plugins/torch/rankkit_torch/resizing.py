"""Images resized on the model's device in place of by Pillow: option ``prepare=gpu``.

The same bicubic filter with the same antialiasing, by PyTorch: along rows, then along columns, each time to
whole grey levels, as Pillow does it. Pillow computes in whole numbers: some pixels are a level apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate

from rankkit.errors import BadOption
from rankkit_torch.images import CLIP_MEAN, CLIP_STD, Pixels, resize_details, resized_size, stacked
from rankkit_torch.models import sent

PREPARE = {"pil": "pil", "gpu": "torch-bicubic"}  # what the option chooses, and how a version says it


@dataclass(frozen=True)
class Whole(Pixels):
    """A whole image, (H, W, 3) in 8 bits, of which a device makes a square of `side` pixels."""

    side: int
    down: bool
    mean: Sequence[float]
    std: Sequence[float]


def check_prepare(name: str) -> str:
    """What a version says of this way to prepare images. Raises `BadOption` where there is no such way."""
    if name not in PREPARE:
        raise BadOption(f"prepare={name!r} is not one of {', '.join(PREPARE)}")
    return PREPARE[name]


def whole(
    image: Image.Image,
    side: int,
    *,
    down: bool = False,
    mean: Sequence[float] = CLIP_MEAN,
    std: Sequence[float] = CLIP_STD,
) -> Whole:
    """An image as it is, for `on_device`, and what will be done to it.

    Half a pixel to be cut off goes to the even side, with `down` always to the right and below.
    """
    return Whole(np.array(image), resize_details(image, side), side, down, mean, std)


def on_device(prepared: Sequence[Pixels], device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """A batch as a model sees it, (B, 3, H, W): pixels that are sent, or whole images resized there."""
    if not any(isinstance(pixels, Whole) for pixels in prepared):
        return sent(stacked(prepared), device, dtype)
    images = [pixels for pixels in prepared if isinstance(pixels, Whole)]
    assert len(images) == len(prepared), "pixels of two kinds in one batch"
    levels_B3HW = torch.stack([_square(image, device) for image in images])
    mean, std = (sent(torch.tensor(of), device).view(3, 1, 1) for of in (images[0].mean, images[0].std))
    return ((levels_B3HW / 255 - mean) / std).to(dtype)


def _square(image: Whole, device: torch.device) -> torch.Tensor:
    """Shorter side to `side` (bicubic, antialiased), then the centre square: grey levels, (3, side, side)."""
    pixels_HWC = sent(torch.from_numpy(image.values), device)
    height, width = pixels_HWC.shape[:2]
    width, height = resized_size(width, height, image.side)
    levels_1CHW = pixels_HWC.permute(2, 0, 1)[None].float()
    for size in ((levels_1CHW.shape[2], width), (height, width)):  # along rows, then along columns
        if levels_1CHW.shape[2:] != size:
            levels_1CHW = interpolate(levels_1CHW, size, mode="bicubic", align_corners=False, antialias=True)
            levels_1CHW = levels_1CHW.round().clamp(0, 255)
    left, top = (_margin(length - image.side, image.down) for length in (width, height))
    return levels_1CHW[0, :, top : top + image.side, left : left + image.side]


def _margin(length: int, down: bool) -> int:
    return length // 2 if down else round(length / 2)
