"""Pictures to pixels, with Pillow's own resampling: the same numbers on every machine and beside any
torchvision.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from rankkit.errors import BrokenRanker

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
MAX_PIXELS = 2**26  # of a resized picture: 64 megapixels, a side ratio of more than a thousand at 224


def resized(width: int, height: int, size: int) -> tuple[int, int]:
    """Width and height when the shorter side becomes `size`; the longer side is rounded down, as the
    published transforms do.

    Raises `BrokenRanker` for a picture so narrow that it would fill the memory.
    """
    short, long = min(width, height), max(width, height)
    other = int(size * long / short)
    if size * other > MAX_PIXELS:
        raise BrokenRanker(
            f"a picture of {width}x{height} is too narrow: resized to a shorter side of {size} it has {size * other} pixels"
        )
    return (size, other) if width <= height else (other, size)


def square(image: Image.Image, size: int) -> Image.Image:
    """Shorter side to `size` (bicubic), then the centre square:
    CLIP's and BLIP's transform. Half a pixel goes to the even side.
    """
    width, height = resized(image.width, image.height, size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    whole = (
        image if image.size == (width, height) else image.resize((width, height), Image.Resampling.BICUBIC)
    )
    return whole.crop((left, top, left + size, top + size))


def to_tensor(
    images: Sequence[Image.Image], mean: Sequence[float] = CLIP_MEAN, std: Sequence[float] = CLIP_STD
) -> torch.Tensor:
    """RGB pictures of one size as (B, 3, H, W) float32: scaled to 0..1, then normalised per channel."""
    pixels_BHWC = torch.from_numpy(np.stack([np.asarray(image, dtype=np.uint8) for image in images]))
    unit_BCHW = pixels_BHWC.permute(0, 3, 1, 2).contiguous().to(torch.float32) / 255
    return (unit_BCHW - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


def handling(image: Image.Image, size: int) -> dict[str, object]:
    """What `square` does to a picture, for its row: the size it is resized to, and the share of it that is
    cut off.
    """
    width, height = resized(image.width, image.height, size)
    return {"resized": f"{width}x{height}", "cropped": round(1 - size * size / (width * height), 4)}
