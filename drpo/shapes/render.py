"""Scenes to pixels: antialiased flat shapes on grey, many scenes at once, from signed distances.

Legend: S scenes, O objects of the fullest scene, H = W = 32 pixels. Lengths are in pixels, y grows downwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drpo.shapes.world import COLORS, SHAPES

Floats = NDArray[np.float32]

SIDE = 32
PALETTE = {"red": (220, 40, 40), "green": (40, 170, 60), "blue": (40, 70, 225), "yellow": (240, 210, 40)}
BACKGROUND = (128, 128, 128)


@dataclass(frozen=True, slots=True)
class Thing:
    """One object of a scene: its shape and colour by name, its centre, and half the side of its box."""

    shape: str
    color: str
    x: float
    y: float
    radius: float = 5.0


Scene = tuple[Thing, ...]


def render(scenes: Sequence[Scene]) -> NDArray[np.uint8]:
    """Draw scenes as (S,H,W,3) 8-bit RGB; later objects cover earlier ones."""
    pixels = np.empty((len(scenes), SIDE, SIDE, 3), np.float32)
    pixels[:] = BACKGROUND
    for layer in range(max((len(scene) for scene in scenes), default=0)):
        drawn = [i for i, scene in enumerate(scenes) if len(scene) > layer]
        things = [scenes[i][layer] for i in drawn]
        cover = _cover(things)[..., None]
        color = np.array([PALETTE[thing.color] for thing in things], np.float32)[:, None, None]
        pixels[drawn] = pixels[drawn] * (1 - cover) + color * cover
    return np.rint(pixels).astype(np.uint8)


def images(scenes: Sequence[Scene]) -> list[Image.Image]:
    """The same as Pillow images."""
    return [Image.fromarray(pixels) for pixels in render(scenes)]


def inside(shape: str, x: Floats, y: Floats) -> Floats:
    """How far inside a shape whose box is [-1,1]² a point is (positive inside, in units of the half side)."""
    if shape == "circle":
        depth: Floats = 1 - np.hypot(x, y)
    elif shape == "square":
        depth = 1 - np.maximum(abs(x), abs(y))
    elif shape == "triangle":  # apex up
        depth = np.minimum((1 + y - 2 * abs(x)) / np.float32(np.sqrt(5)), 1 - y)
    else:
        assert shape == "cross", f"{shape} is not one of {SHAPES}"
        near, far = np.minimum(abs(x), abs(y)), np.maximum(abs(x), abs(y))
        depth = np.minimum(np.float32(0.38) - near, 1 - far)
    return depth


def _cover(things: Sequence[Thing]) -> Floats:
    """(S,H,W): the share of each pixel that an object covers, from the distance to its edge."""
    centre, at = (
        np.array([[thing.x, thing.y] for thing in things], np.float32),
        np.arange(SIDE, dtype=np.float32) + 0.5,
    )
    radius = np.array([thing.radius for thing in things], np.float32)[:, None, None]
    x = (at[None, None, :] - centre[:, 0, None, None]) / radius + np.zeros((1, SIDE, 1), np.float32)
    y = (at[None, :, None] - centre[:, 1, None, None]) / radius + np.zeros((1, 1, SIDE), np.float32)
    cover = np.zeros((len(things), SIDE, SIDE), np.float32)
    for shape in {thing.shape for thing in things}:
        of = [i for i, thing in enumerate(things) if thing.shape == shape]
        cover[of] = np.clip(inside(shape, x[of], y[of]) * radius[of] + 0.5, 0, 1)
    return cover


assert tuple(PALETTE) == COLORS
