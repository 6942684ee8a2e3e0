"""HPSv2's image: to a tensor first, longer side to the model's size, black around it, then normalised."""

from __future__ import annotations

import threading

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate, pad

from rankkit.errors import BrokenRanker
from rankkit_torch.images import CLIP_MEAN, CLIP_STD, Pixels
from rankkit_torch.openclip import OpenClip

_RESIZING = threading.Lock()


class Letterboxed(OpenClip):
    """An open_clip model that is shown whole images."""

    def prepare(self, image: Image.Image) -> Pixels:
        """What the model sees of one image: the whole, with black around it.

        The resize is torch's, which uses several cores by itself: one at a time.
        """
        width, height = fitted(image.width, image.height, self.size)
        padded = round(1 - width * height / self.size**2, 4)
        with _RESIZING:
            values = letterbox(image, self.size).numpy()
        return Pixels(values, {"resized": f"{width}x{height}", "padded": padded})


def letterbox(image: Image.Image, size: int) -> torch.Tensor:
    """(3, size, size) float32: the tensor resized (bicubic, antialiased), padded, then normalised."""
    width, height = fitted(image.width, image.height, size)
    pixels = torch.from_numpy(np.array(image, dtype=np.uint8)).permute(2, 0, 1).to(torch.float32) / 255
    if max(image.size) != size:
        pixels = interpolate(
            pixels[None], (height, width), mode="bicubic", align_corners=False, antialias=True
        )[0]
    left, top = (size - width) // 2, (size - height) // 2
    pixels = pad(pixels, [left, size - width - left, top, size - height - top])
    return (pixels - torch.tensor(CLIP_MEAN).view(3, 1, 1)) / torch.tensor(CLIP_STD).view(3, 1, 1)


def fitted(width: int, height: int, size: int) -> tuple[int, int]:
    """Width and height when the longer side becomes `size`.

    Raises `BrokenRanker` where the authors' transform fails.

    It fails where the shorter side rounds to nothing, and where the longer side is `size` already and the
    shorter is not: it then neither resizes nor pads.
    """
    if max(width, height) == size != min(width, height):
        raise BrokenRanker(
            f"an image of {width}x{height} is not padded by the authors' transform, "
            "and their model fails on it; resize it"
        )
    scale = size / float(max(width, height))
    fit = round(width * scale), round(height * scale)
    if min(fit) < 1:
        raise BrokenRanker(
            f"an image of {width}x{height} is too narrow: "
            f"at a longer side of {size} its shorter side is nothing"
        )
    return fit
