"""What learned rankers share: device and dtype, strict checkpoints, image preparation, batches that fit."""

from rankkit_torch.checkpoints import find, read, weights_id
from rankkit_torch.images import normalized_pixels, pixel_batch, resize_center_crop, resized_size
from rankkit_torch.models import (
    LinearHead,
    batches,
    empty,
    full_float32,
    load_strict,
    memory,
    pick_device,
    pick_dtype,
)
from rankkit_torch.weights import draw

__all__ = [
    "LinearHead",
    "batches",
    "draw",
    "empty",
    "find",
    "full_float32",
    "load_strict",
    "memory",
    "normalized_pixels",
    "pick_device",
    "pick_dtype",
    "pixel_batch",
    "read",
    "resize_center_crop",
    "resized_size",
    "weights_id",
]
