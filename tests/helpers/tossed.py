"""A ranker that passes about half of all images, by their pixels alone."""

from __future__ import annotations

import zlib

from PIL import Image


def heads(image: Image.Image) -> float:
    """1 or 0, always the same for an image."""
    return float(zlib.crc32(image.tobytes()) % 2)
