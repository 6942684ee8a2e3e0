"""The features `basic`: plain statistics of an image, 52 numbers, of no model and without a download.

An image is measured on a copy whose longer side is 256 pixels, so that its resolution says nothing. They are:

- what the rankers without weights measure: sharpness (its logarithm), colorfulness, contrast, saturation,
  detail (the logarithm of a JPEG's bytes per pixel)
- light: the mean, the 5th and the 95th percentile of luma, and the entropy of its histogram
- colour: red against green, yellow against blue (warmth), how much saturation varies, the share of pixels
  that bear each of the eleven colour words of prompt-color, and how many colours there are
- layout: of a grid of 3 by 3, how light each cell is beside the whole, and its share of all edges
- figure: what differs from the colour of the border: how much, where its middle lies (-1 left or top, 1 right
  or bottom) and how far it spreads
- form: how like the image is to its mirror image, both ways; strength and direction of edges; width to height
"""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rankkit.core.builtin import colorfulness, contrast, saturation, sharpness
from rankkit.core.builtin.pixels import COLORS, color_names, extremes

Floats = NDArray[np.float64]

VERSION = 1  # raised with every change of what is measured: a taste fitted on other features is refused
SIDE = 256  # pixels of the longer side
CELLS = tuple(
    f"{row}-{column}" for row in ("top", "middle", "bottom") for column in ("left", "centre", "right")
)
RANKERS = ("sharpness", "colorfulness", "contrast", "saturation", "detail")
NAMES = (
    *RANKERS,
    *("light", "light-low", "light-high", "light-entropy"),
    *("red-green", "yellow-blue", "saturation-spread", *(f"color-{word}" for word in COLORS), "colors"),
    *(f"light-{cell}" for cell in CELLS),
    *(f"edges-{cell}" for cell in CELLS),
    *("figure", "figure-x", "figure-y", "figure-spread-x", "figure-spread-y"),
    *("mirror-x", "mirror-y", "edges", "edges-level", "aspect"),
)
"""The names of the features, in their order."""


def measure(image: Image.Image) -> Floats:
    """The features of one image, in the order of `NAMES`; finite for any image."""
    small = _small(image)
    rgb = np.asarray(small, dtype=np.float64) / 255
    luma = np.asarray(small.convert("L"), dtype=np.float64) / 255
    found = (
        *_as_rankers(small),
        *_light(luma),
        *_color(small, rgb),
        *_layout(luma),
        *_figure(rgb),
        *_form(luma, image),
    )
    return np.array(found)


def _small(image: Image.Image) -> Image.Image:
    share = SIDE / max(image.size)
    width, height = (max(round(side * share), 4) for side in image.size)
    return image.resize((width, height), Image.Resampling.BILINEAR)


def _as_rankers(image: Image.Image) -> tuple[float, ...]:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95)
    detail = math.log(buffer.tell() / (image.width * image.height))
    return math.log1p(sharpness(image)), colorfulness(image), contrast(image), saturation(image), detail


def _light(luma: Floats) -> tuple[float, ...]:
    low, high = np.percentile(luma, (5, 95))
    return float(luma.mean()), float(low), float(high), _entropy(np.histogram(luma, 32, (0, 1))[0])


def _color(image: Image.Image, rgb: Floats) -> tuple[float, ...]:
    red, green, blue = np.moveaxis(rgb, -1, 0)
    high, low = extremes(rgb)
    saturated = np.divide(high - low, high, out=np.zeros_like(high), where=high > 0)
    named = color_names(np.asarray(image.convert("HSV"))).ravel()
    counts = np.bincount(named, minlength=len(COLORS))
    warmth = (red + green) / 2 - blue
    means = (float((red - green).mean()), float(warmth.mean()), float(saturated.std()))
    return (*means, *(counts / counts.sum()).tolist(), _entropy(counts))


def _layout(luma: Floats) -> list[float]:
    edges = np.hypot(*np.gradient(luma))
    light = [float(cell.mean() - luma.mean()) for cell in _cells(luma)]
    return light + [float(cell.sum() / max(edges.sum(), 1e-9)) for cell in _cells(edges)]


def _cells(values: Floats) -> list[Floats]:
    return [cell for row in np.array_split(values, 3, 0) for cell in np.array_split(row, 3, 1)]


def _figure(rgb: Floats) -> tuple[float, ...]:
    """The share, the middle and the spread of what differs from the median colour of the border."""
    border = np.concatenate((rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]))
    red, green, blue = np.moveaxis(np.square(rgb - np.median(border, axis=0)), -1, 0)
    apart = (red + green + blue) / 3
    whole = apart.sum()
    if whole < 1e-9 * apart.size:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    y, x = (np.linspace(-1, 1, side) for side in apart.shape)
    across, down = apart.sum(0) / whole, apart.sum(1) / whole
    middle = float(across @ x), float(down @ y)
    spread = math.sqrt(across @ (x - middle[0]) ** 2), math.sqrt(down @ (y - middle[1]) ** 2)
    return (float(np.sqrt(apart).mean()), *middle, *spread)


def _form(luma: Floats, image: Image.Image) -> tuple[float, ...]:
    down, across = np.gradient(luma)
    level, upright = float(np.square(down).sum()), float(np.square(across).sum())
    return (
        -float(np.abs(luma - luma[:, ::-1]).mean()),
        -float(np.abs(luma - luma[::-1]).mean()),
        float(np.hypot(down, across).mean()),
        (level - upright) / max(level + upright, 1e-9),
        math.log(image.width / image.height),
    )


def _entropy(counts: NDArray[np.int64]) -> float:
    """In bits."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum()) + 0.0
