"""Rankers without weights: plain measurements of an image.

Registered like any plugin's, and a place to see how one is written.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rankkit.core.rankers import pointwise
from rankkit.core.types import Scored

Number = TypeVar("Number", bound=np.floating[Any])
ROWS = 256  # images are read in strips of this many rows, so that a large one needs no large arrays


@pointwise
def compressibility(image: Image.Image, *, quality: int = 95) -> float:
    """Prefer images that compress well: minus the size of the JPEG in bytes, so below 0.

    The reward of DDPO's compressibility task (Black et al., arXiv 2305.13301, section 4.1), there in
    kilobytes.
    """
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return -float(buffer.tell())


@pointwise
def incompressibility(image: Image.Image, *, quality: int = 95) -> float:
    """Prefer images that compress badly, rich in detail or noise: the size of the JPEG in bytes (arXiv
    2305.13301, section 4.1).
    """
    return -compressibility(image, quality=quality)


@pointwise
def sharpness(image: Image.Image) -> float:
    """Prefer images in focus: variance of the Laplacian of luma, in squared grey levels, 0 and up
    (Pech-Pacheco et al., ICPR 2000).
    """
    moments = np.zeros(3)
    for luma in _luma_strips(image, overlap=1):
        if min(luma.shape) >= 3:
            inner = luma[1:-1, 1:-1]
            _add(moments, luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inner)
    return _variance(moments)


@pointwise
def colorfulness(image: Image.Image) -> float:
    """Prefer vivid images: the measure M of Hasler and Süsstrunk (SPIE 2003): 0 is grey, 59 quite and 109
    extremely colourful.
    """
    red_green, yellow_blue = np.zeros(3), np.zeros(3)
    for rgb in _strips(image):
        red, green, blue = np.moveaxis(rgb, -1, 0)
        _add(red_green, red - green)
        _add(yellow_blue, (red + green) * np.float32(0.5) - blue)
    spread = np.sqrt(_variance(red_green) + _variance(yellow_blue))
    shift = np.hypot(_mean(red_green), _mean(yellow_blue))
    return float(spread + 0.3 * shift)


@pointwise
def contrast(image: Image.Image) -> float:
    """Prefer contrast: standard deviation of luma on a scale of 0 to 1, so between 0 and 0.5 (RMS contrast;
    Peli, JOSA A 1990).
    """
    moments = np.zeros(3)
    for luma in _luma_strips(image):
        _add(moments, luma)
    return float(np.sqrt(_variance(moments))) / 255


@pointwise
def saturation(image: Image.Image) -> float:
    """Prefer saturated colours: mean S of HSV over all pixels, between 0 (grey) and 1 (Smith, SIGGRAPH
    1978).
    """
    moments = np.zeros(3)
    for rgb in _strips(image):
        high, low = extremes(rgb)
        _add(moments, np.divide(high - low, high, out=np.zeros_like(high), where=high > 0))
    return _mean(moments)


@pointwise
def prompt_color(image: Image.Image, prompt: str) -> Scored:
    """Prefer images dominated by a colour that the prompt names: the share of pixels that bear one of its
    colour words, 0 to 1.

    The words are the eleven basic colour terms of English (Berlin & Kay 1969); each pixel gets one of them by
    its hue, saturation and value. Above 0.5 the colour dominates. Abstains where the prompt names no colour.
    """
    asked = [word for word in COLORS if re.search(rf"\b{word}\b", prompt.lower().replace("grey", "gray"))]
    if not asked:
        return Scored(float("nan"), details={"error": f"the prompt names no colour ({', '.join(COLORS)})"})
    counts = np.zeros(len(COLORS))
    for strip in _crops(image):
        counts += np.bincount(color_names(np.asarray(strip.convert("HSV"))).ravel(), minlength=len(COLORS))
    bearing = counts[
        [COLORS.index(word) for word in asked]
    ].sum()  # pixels are added up before they are divided: ties stay exact
    return Scored(
        float(bearing / max(counts.sum(), 1)),
        details={"asked": asked, "dominant": COLORS[int(counts.argmax())]},
    )


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


def _crops(image: Image.Image, overlap: int = 0) -> Iterator[Image.Image]:
    """The image in strips of `ROWS` rows, each reaching `overlap` rows into its neighbours."""
    for start in range(0, image.height, ROWS):
        yield image.crop((0, max(start - overlap, 0), image.width, min(start + ROWS + overlap, image.height)))


def _strips(image: Image.Image) -> Iterator[NDArray[np.float32]]:
    """Float arrays (rows, width, 3) of 0 to 255."""
    for strip in _crops(image):
        yield np.asarray(strip, dtype=np.float32)


def _luma_strips(image: Image.Image, overlap: int = 0) -> Iterator[NDArray[np.float32]]:
    """Float arrays (rows, width) of 0 to 255: luma of ITU-R BT.601."""
    for strip in _crops(image, overlap):
        yield np.asarray(strip.convert("L"), dtype=np.float32)


def _add(moments: NDArray[np.float64], values: NDArray[np.float32]) -> None:
    """Add values to (count, sum, sum of squares)."""
    wide = values.astype(np.float64).ravel()
    moments += np.array([wide.size, wide.sum(), (wide * wide).sum()])


def _mean(moments: NDArray[np.float64]) -> float:
    return float(moments[1] / moments[0]) if moments[0] else 0.0


def _variance(moments: NDArray[np.float64]) -> float:
    return max(float(moments[2] / moments[0] - _mean(moments) ** 2), 0.0) if moments[0] else 0.0
