"""Images to the pixels a model sees, resampled by Pillow: the same numbers on every machine.

A ranker's first stage, `prepare`, is a function of Pillow and numpy alone that makes `Pixels` of one image:
rankkit runs it ahead in threads (`rankkit.core.two_stage`), and `stacked` puts a batch together. Torch and
tokenizers, which have threads of their own, stay outside of it. `pixel_batch` does all that for images at
hand, such as crops of one image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from rankkit.errors import BrokenRanker
from rankkit.plugin import map_images

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
MAX_PIXELS = 2**26  # of a resized image: 64 megapixels, a side ratio of more than a thousand at 224


@dataclass(frozen=True)
class Pixels:
    """What a model sees of one image, (3, H, W) float32, and what was done to the image, for its row."""

    values: NDArray[Any]
    details: Mapping[str, Any]

    @property
    def nbytes(self) -> int:
        """The memory of the values, by which rankkit bounds how many are made ahead."""
        return self.values.nbytes


def stacked(prepared: Sequence[Pixels]) -> torch.Tensor:
    """A batch: (B, 3, H, W) float32 on the CPU."""
    return torch.from_numpy(np.stack([pixels.values for pixels in prepared]))


def cropped_pixels(image: Image.Image, size: int) -> Pixels:
    """The centre square of an image as CLIP and BLIP see it, with CLIP's mean and deviation."""
    return Pixels(normalized_pixels(resize_center_crop(image, size)), resize_details(image, size))


def squeezed_pixels(image: Image.Image, processor: Any) -> Pixels:
    """A whole image as an image processor makes it that resizes to one shape and cuts nothing off."""
    values = processor(images=[image], return_tensors="np")["pixel_values"][0]
    return Pixels(values, {"resized": "x".join(map(str, values.shape[:0:-1])), "cropped": 0.0})


def pixel_batch(
    prepare: Callable[[Image.Image], NDArray[np.float32]], images: Sequence[Image.Image]
) -> torch.Tensor:
    """What `prepare` makes of each image, stacked: (B, 3, H, W) float32 on the CPU.

    `prepare` runs in threads and must not use torch.
    """
    return torch.from_numpy(np.stack(map_images(prepare, images)))


def resized_size(width: int, height: int, size: int) -> tuple[int, int]:
    """Width and height when the shorter side becomes `size`.

    The longer side is rounded down, as the published transforms do. Raises `BrokenRanker` for an image so
    narrow that it would fill the memory.
    """
    short, long = min(width, height), max(width, height)
    other = int(size * long / short)
    if size * other > MAX_PIXELS:
        raise BrokenRanker(
            f"an image of {width}x{height} is too narrow: "
            f"resized to a shorter side of {size} it has {size * other} pixels"
        )
    return (size, other) if width <= height else (other, size)


def resize_center_crop(image: Image.Image, size: int) -> Image.Image:
    """Shorter side to `size` (bicubic), then the centre square: CLIP's and BLIP's transform.

    Half a pixel goes to the even side.
    """
    width, height = resized_size(image.width, image.height, size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    return image.crop((left, top, left + size, top + size))


def normalized_pixels(
    image: Image.Image, mean: Sequence[float] = CLIP_MEAN, std: Sequence[float] = CLIP_STD
) -> NDArray[np.float32]:
    """An RGB image as (3, H, W) float32: scaled to 0..1, then (x - mean) / std per channel."""
    unit_HWC = np.asarray(image, np.float32) / np.float32(255)
    pixels_HWC = (unit_HWC - np.array(mean, np.float32)) / np.array(std, np.float32)
    return np.ascontiguousarray(pixels_HWC.transpose(2, 0, 1))


def resize_details(image: Image.Image, size: int) -> dict[str, Any]:
    """What `resize_center_crop` does to an image, for its row.

    `resized` is the size before the crop, `cropped` the share of it that is cut off.
    """
    width, height = resized_size(image.width, image.height, size)
    return {"resized": f"{width}x{height}", "cropped": round(1 - size * size / (width * height), 4)}
