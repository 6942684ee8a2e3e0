"""Something to rank, without files or weights: groups of images drawn by code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from rankkit.core.types import Group

Utility = Callable[[Image.Image], float]
Shape = tuple[str, str, str]  # colour, shape, ground: "red", "circle", "white"


def sample_groups(seed: int = 0) -> list[Group]:
    """Five small groups of three or four images each: shapes, a gradient, noise and textures.

    The same for the same seed.

    Prompts say colours by name, and the first candidate is what the prompt says. Ids, names and metadata are
    filled, the latter with GenEval's clauses where the prompt names a thing. Sides are 48 to 96 pixels; not
    every image is square.
    """
    rng = np.random.default_rng(seed)
    white, black = "white", "black"
    gradients = [_gradient(*ends) for ends in (("yellow", "purple"), ("yellow", "red"), ("black", "green"))]
    noise = [_noise(rng, *each) for each in ((0.2, "black"), (0.05, "black"), (0.2, "orange"))]
    hills = [_hills(rng, *colours) for colours in (("blue", "green"), ("orange", "brown"), ("gray", "black"))]
    return [
        _shapes(
            0,
            rng,
            ("red", "circle", white),
            ("blue", "circle", white),
            ("red", "square", white),
            ("green", "triangle", black),
        ),
        _shapes(
            1,
            rng,
            ("blue", "square", black),
            ("blue", "square", white),
            ("yellow", "square", black),
            ("purple", "circle", black),
        ),
        _group(2, "a smooth gradient from yellow to purple", gradients),
        _group(3, "grey noise", noise),
        _group(4, "a photograph of green hills under a blue sky", hills),
    ]


def _group(number: int, prompt: str, images: Sequence[Image.Image], **metadata: Any) -> Group:
    names = tuple(f"sample-{number}/{i}.png" for i in range(len(images)))
    return Group(prompt, tuple(images), f"sample-{number}", names, {"sample": number, **metadata})


def _shapes(number: int, rng: np.random.Generator, *shapes: Shape) -> Group:
    colour, shape, ground = shapes[0]
    clauses = [{"class": shape, "count": 1, "color": colour}]
    return _group(
        number,
        f"a {colour} {shape} on {ground}",
        [_shape(rng, *each) for each in shapes],
        tag="colors",
        include=clauses,
    )


def _shape(rng: np.random.Generator, colour: str, shape: str, ground: str) -> Image.Image:
    image = Image.new("RGB", (64, 64), ground)
    draw = ImageDraw.Draw(image)
    x, y, r = int(rng.integers(28, 37)), int(rng.integers(28, 37)), int(rng.integers(16, 25))
    if shape == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif shape == "square":
        draw.rectangle((x - r, y - r, x + r, y + r), fill=colour)
    else:
        draw.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=colour)
    return image


def _gradient(left: str, right: str) -> Image.Image:
    return _blend(np.tile(np.linspace(1, 0, 96), (64, 1)), left, right)


def _noise(rng: np.random.Generator, width: float, ground: str) -> Image.Image:
    return _blend(rng.normal(0.5, width, (80, 48)), "white", ground)


def _hills(rng: np.random.Generator, sky: str, land: str) -> Image.Image:
    """A horizon and a surface with the spectrum of photographs.

    Its amplitude falls as one over frequency.
    """
    frequency = np.hypot(np.fft.fftfreq(56)[:, None], np.fft.fftfreq(80)[None, :])
    rough = np.fft.ifft2(np.fft.fft2(rng.normal(size=(56, 80))) / (frequency + 1 / 80)).real
    rough /= np.abs(rough).max()
    rows = np.linspace(0, 1, 56)[:, None]
    return _blend(np.where(rows < 0.5 + 0.3 * rough[:1], 0.85 + 0.15 * rows, 0.3 + 0.3 * rough), sky, land)


def _blend(share_HW: NDArray[np.float64], first: str, second: str) -> Image.Image:
    a, b = (np.array(ImageColor.getrgb(name), dtype=float) for name in (first, second))
    mixed = share_HW[..., None] * a + (1 - share_HW[..., None]) * b
    return Image.fromarray(mixed.clip(0, 255).round().astype(np.uint8))
