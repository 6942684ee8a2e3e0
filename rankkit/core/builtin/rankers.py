"""The rankers: plain measurements of an image, registered like any plugin's, and a place to see how one is
written.
"""

from __future__ import annotations

import io
import math
import re

from PIL import Image

from rankkit.core.rankers import pointwise
from rankkit.core.types import Scored


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
    from rankkit.core.builtin.pixels import Moments, luma_strips

    laplacian = Moments()
    for luma in luma_strips(image, overlap=1):
        if min(luma.shape) >= 3:
            inner = luma[1:-1, 1:-1]
            laplacian.add(luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inner)
    return laplacian.variance


@pointwise
def colorfulness(image: Image.Image) -> float:
    """Prefer vivid images: the measure M of Hasler and Süsstrunk (SPIE 2003): 0 is grey, 59 quite and 109
    extremely colourful.
    """
    from rankkit.core.builtin.pixels import Moments, strips

    red_green, yellow_blue = Moments(), Moments()
    for rgb in strips(image):
        red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
        red_green.add(red - green)
        yellow_blue.add((red + green) / 2 - blue)
    spread = math.sqrt(red_green.variance + yellow_blue.variance)
    shift = math.hypot(red_green.mean, yellow_blue.mean)
    return spread + 0.3 * shift


@pointwise
def contrast(image: Image.Image) -> float:
    """Prefer contrast: standard deviation of luma on a scale of 0 to 1, so between 0 and 0.5 (RMS contrast;
    Peli, JOSA A 1990).
    """
    from rankkit.core.builtin.pixels import Moments, luma_strips

    light = Moments()
    for luma in luma_strips(image):
        light.add(luma)
    return math.sqrt(light.variance) / 255


@pointwise
def saturation(image: Image.Image) -> float:
    """Prefer saturated colours: mean S of HSV over all pixels, between 0 (grey) and 1 (Smith, SIGGRAPH
    1978).
    """
    from rankkit.core.builtin.pixels import Moments, saturations, strips

    found = Moments()
    for rgb in strips(image):
        found.add(saturations(rgb))
    return found.mean


@pointwise
def prompt_color(image: Image.Image, prompt: str) -> Scored:
    """Prefer images dominated by a colour that the prompt names: the share of pixels that bear one of its
    colour words, 0 to 1.

    The words are the eleven basic colour terms of English (Berlin & Kay 1969); each pixel gets one of them by
    its hue, saturation and value. Above 0.5 the colour dominates. Abstains where the prompt names no colour.
    """
    from rankkit.core.builtin.pixels import COLORS, color_counts

    asked = [word for word in COLORS if re.search(rf"\b{word}\b", prompt.lower().replace("grey", "gray"))]
    if not asked:
        return Scored(float("nan"), details={"error": f"the prompt names no colour ({', '.join(COLORS)})"})
    counts = color_counts(image)
    bearing = counts[
        [COLORS.index(word) for word in asked]
    ].sum()  # pixels are added up before they are divided: ties stay exact
    return Scored(
        float(bearing / max(counts.sum(), 1)),
        details={"asked": asked, "dominant": COLORS[int(counts.argmax())]},
    )
