"""What learned rankers share: device and dtype, checkpoints found and read strictly, batches that fit,
weights drawn by name.
"""

from rankkit_torch.checkpoints import find, read, weights_id
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
from rankkit_torch.pictures import resized, square, to_tensor
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
    "pick_device",
    "pick_dtype",
    "read",
    "resized",
    "square",
    "to_tensor",
    "weights_id",
]
