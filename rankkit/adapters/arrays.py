"""Images as trainers hold them, as Pillow images: tensors with channels first, arrays with channels last.

No framework is imported: a tensor is known by its methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from rankkit.core.images import to_rgb
from rankkit.errors import UsageError

SLACK = 0.01  # by which rounding may leave the range from 0 to 1


def to_images(images: Any) -> list[Image.Image | str]:
    """Pillow images, one tensor (N, 3, H, W), one array (N, H, W, 3), or a sequence of any of these.

    Numbers are uint8, or floats from 0 to 1. In place of an image with numbers that are none stands that
    reason. Raises `UsageError` for other shapes, other numbers and anything else.
    """
    if hasattr(images, "shape") and len(images.shape) not in (3, 4):
        raise UsageError(f"images have the shape {tuple(images.shape)}; give (N, 3, H, W) or (N, H, W, 3)")
    if isinstance(images, Image.Image) or (hasattr(images, "shape") and len(images.shape) == 3):
        images = [images]
    if isinstance(images, (str, bytes)) or not (hasattr(images, "shape") or isinstance(images, Sequence)):
        raise UsageError(
            f"images are {type(images).__name__}; give Pillow images, a tensor (N, 3, H, W) or an array"
        )
    return [_one(index, image) for index, image in enumerate(images)]


def _one(index: int, image: Any) -> Image.Image | str:
    if isinstance(image, Image.Image):
        try:
            return to_rgb(image)
        except ValueError as error:
            return str(error)
    if not hasattr(image, "shape"):
        raise UsageError(f"image {index} is {type(image).__name__}; give a Pillow image, tensor or array")
    pixels = _array(image)
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise UsageError(
            f"image {index} has the shape {tuple(image.shape)}; tensors are (3, H, W), arrays (H, W, 3)"
        )
    if pixels.dtype == np.uint8:
        return Image.fromarray(np.ascontiguousarray(pixels))
    if not np.issubdtype(pixels.dtype, np.floating):
        raise UsageError(f"image {index} is of {pixels.dtype}; give uint8, or floats from 0 to 1")
    if not np.isfinite(pixels).all():
        return "it has pixels that are no finite numbers"
    if pixels.min(initial=0) < -SLACK or pixels.max(initial=0) > 1 + SLACK:
        raise UsageError(
            f"image {index} has numbers from {pixels.min():g} to {pixels.max():g}; floats go from 0 to 1"
        )
    return Image.fromarray((pixels * 255).round().clip(0, 255).astype(np.uint8))


def _array(image: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """Channels last."""
    if not hasattr(image, "detach"):
        return np.asarray(image)
    tensor = image.detach().cpu()
    if tensor.is_floating_point():
        tensor = tensor.float()
    pixels: np.ndarray[Any, np.dtype[Any]] = tensor.numpy()
    return pixels.transpose(1, 2, 0) if pixels.ndim == 3 else pixels
