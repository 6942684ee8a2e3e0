"""What the rankers count over the pixels of an image, strip by strip.

A module of its own since it needs numpy, which brings threads: a program that knows a ranker, and does not
measure with it, has one thread, and its workers are quick forks of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Number = TypeVar("Number", bound=np.floating[Any])

ROWS = 256  # images are read in strips of this many rows, so that a large one needs no large arrays
COLORS = ("black", "white", "gray", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")

# up to how many degrees a hue has which name
_HUES = (
    (15, "red"),
    (45, "orange"),
    (70, "yellow"),
    (170, "green"),
    (260, "blue"),
    (300, "purple"),
    (345, "pink"),
    (361, "red"),
)


def extremes(rgb: NDArray[Number]) -> tuple[NDArray[Number], NDArray[Number]]:
    """Of each pixel (…, 3) its greatest and its least channel: as ``rgb.max(-1)``, ten times as fast."""
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    return np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)


def saturations(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each pixel (…, 3) the S of HSV, 0 (grey, or black) to 1."""
    high, low = extremes(rgb)
    return np.divide(high - low, high, out=np.zeros_like(high), where=high > 0)


def color_names(hsv: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Of each pixel (…, 3) the place of its colour word in `COLORS`, by hue, saturation and value."""
    hue, saturation, value = hsv[..., 0] * (360 / 255), hsv[..., 1] / 255, hsv[..., 2] / 255
    names = np.array([COLORS.index(name) for _, name in _HUES])[
        np.searchsorted([limit for limit, _ in _HUES], hue, side="right")
    ]
    warm = (hue < 45) | (hue >= 345)
    names = np.where(warm & (saturation < 0.6) & (value > 0.7), COLORS.index("pink"), names)
    names = np.where(
        (hue < 45) & (value < 0.65) & ((hue >= 15) | (value < 0.45)), COLORS.index("brown"), names
    )
    names = np.where(
        saturation < 0.15, np.where(value > 0.85, COLORS.index("white"), COLORS.index("gray")), names
    )
    return np.where(value < 0.2, COLORS.index("black"), names)


def color_counts(image: Image.Image) -> NDArray[np.float64]:
    """How many pixels bear each of `COLORS`."""
    counts = np.zeros(len(COLORS))
    for strip in _crops(image):
        counts += np.bincount(color_names(np.asarray(strip.convert("HSV"))).ravel(), minlength=len(COLORS))
    return counts


def _crops(image: Image.Image, overlap: int = 0) -> Iterator[Image.Image]:
    """The image in strips of `ROWS` rows, each reaching `overlap` rows into its neighbours."""
    for start in range(0, image.height, ROWS):
        yield image.crop((0, max(start - overlap, 0), image.width, min(start + ROWS + overlap, image.height)))


def strips(image: Image.Image) -> Iterator[NDArray[np.float32]]:
    """Float arrays (rows, width, 3) of 0 to 255."""
    for strip in _crops(image):
        yield np.asarray(strip, dtype=np.float32)


def luma_strips(image: Image.Image, overlap: int = 0) -> Iterator[NDArray[np.float32]]:
    """Float arrays (rows, width) of 0 to 255: luma of ITU-R BT.601."""
    for strip in _crops(image, overlap):
        yield np.asarray(strip.convert("L"), dtype=np.float32)


class Moments:
    """Mean and variance of values that come in pieces; 0 where none came."""

    def __init__(self) -> None:
        self._sums = np.zeros(3)  # count, sum, sum of squares

    def add(self, values: NDArray[np.floating[Any]]) -> None:
        """Count these in."""
        wide = values.astype(np.float64).ravel()
        self._sums += np.array([wide.size, wide.sum(), (wide * wide).sum()])

    @property
    def mean(self) -> float:
        """Their mean."""
        return float(self._sums[1] / self._sums[0]) if self._sums[0] else 0.0

    @property
    def variance(self) -> float:
        """Their variance, over all of them (no degree of freedom is taken off)."""
        return max(float(self._sums[2] / self._sums[0] - self.mean**2), 0.0) if self._sums[0] else 0.0
