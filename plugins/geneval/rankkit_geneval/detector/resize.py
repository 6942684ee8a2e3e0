"""Images as the official detector gets them: resized in fixed point, padded, normalised. numpy only.

The resize is OpenCV's INTER_LINEAR on 8-bit pixels, bit for bit: two taps per axis whatever the scale (no
antialias), weights rounded to 1/2048, and the rounding of its vertical pass. Pillow's and torch's resizes
differ from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LONGEST, SHORTEST = 1333, 800  # pixels; what an image must fit, as mmdet's test pipeline says
DIVISOR, PADDING = 32, 128
MEAN = np.array((123.675, 116.28, 103.53), np.float32)  # RGB, grey levels
STD = np.array((58.395, 57.12, 57.375), np.float32)
COEFFICIENT = 2048  # fixed-point one

Pixels = NDArray[np.uint8]
Ints = NDArray[np.int32]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Prepared:
    """One image ready for the detector: normalised pixels, and the sizes (height, width) it had on the way.

    `pixels_3HW` has the padded size; `resized` is what of it shows the image; `original` is the size of the
    image itself.
    """

    pixels_3HW: NDArray[np.float32]
    resized: tuple[int, int]
    original: tuple[int, int]

    @property
    def nbytes(self) -> int:
        """The memory of the pixels, by which rankkit bounds how many are made ahead."""
        return self.pixels_3HW.nbytes


def prepare(image: Image.Image) -> Prepared:
    """Resize to fit 1333 x 800, pad, normalise: mmdet 2.28.2's test pipeline.

    Padding is grey 128, right and below, to a multiple of 32.
    """
    width, height = fitted(*image.size)
    pixels = resize_linear(np.asarray(image.convert("RGB")), width, height)
    padded = np.full((padded_side(height), padded_side(width), 3), PADDING, np.uint8)
    padded[:height, :width] = pixels
    normal = (padded.astype(np.float32) - MEAN) / STD
    return Prepared(
        np.ascontiguousarray(normal.transpose(2, 0, 1)), (height, width), (image.height, image.width)
    )


def fitted(width: int, height: int) -> tuple[int, int]:
    """The largest (width, height) of the same shape that fits 1333 x 800 or 800 x 1333.

    Small images are enlarged.
    """
    scale = min(LONGEST / max(width, height), SHORTEST / min(width, height))
    return max(int(width * scale + 0.5), 1), max(int(height * scale + 0.5), 1)


def padded_side(side: int) -> int:
    """The next multiple of 32, in pixels."""
    return -(-side // DIVISOR) * DIVISOR


def resize_linear(pixels_HWC: Pixels, width: int, height: int) -> Pixels:
    """OpenCV's ``resize(..., interpolation=INTER_LINEAR)`` of 8-bit pixels, the same to the last bit."""
    if pixels_HWC.shape[:2] == (height, width):
        return pixels_HWC.copy()
    (left, right), (a0, a1) = _taps(pixels_HWC.shape[1], width, clamped=True)
    (top, bottom), (b0, b1) = _taps(pixels_HWC.shape[0], height, clamped=False)
    source: Ints = pixels_HWC.astype(np.int32)
    wide = (source[:, left] * a0[None, :, None] + source[:, right] * a1[None, :, None]) >> 4
    mixed = ((wide[top] * b0[:, None, None]) >> 16) + ((wide[bottom] * b1[:, None, None]) >> 16)
    return ((mixed + 2) >> 2).clip(0, 255).astype(np.uint8)


def _taps(source: int, target: int, *, clamped: bool) -> tuple[list[Indices], list[Ints]]:
    """For each target pixel its two source pixels, and their weights in 1/2048.

    Beyond the edge OpenCV gives the edge pixel all weight along a row (`clamped`), but mixes it with itself
    along a column, which rounds otherwise.
    """
    scale = 1.0 / (target / source)
    place = ((np.arange(target) + 0.5) * scale - 0.5).astype(np.float32)
    first = np.floor(place)
    share = place - first
    if clamped:
        share[(first < 0) | (first >= source - 1)] = 0
    weights = [
        np.rint(weight * np.float32(COEFFICIENT)).astype(np.int32)
        for weight in (np.float32(1) - share, share)
    ]
    return [(first + step).clip(0, source - 1).astype(np.intp) for step in (0, 1)], weights
