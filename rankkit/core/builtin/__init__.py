"""Rankers without weights, which a program knows without importing numpy."""

from rankkit.core.builtin.rankers import (
    colorfulness,
    compressibility,
    contrast,
    incompressibility,
    prompt_color,
    saturation,
    sharpness,
)

__all__ = [
    "colorfulness",
    "compressibility",
    "contrast",
    "incompressibility",
    "prompt_color",
    "saturation",
    "sharpness",
]
