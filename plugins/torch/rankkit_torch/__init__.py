"""What learned rankers share: device and dtype, strict checkpoints, image preparation, batches that fit."""

from rankkit_torch.checkpoints import find, read, weights_id
from rankkit_torch.fitting import Fitting, memory
from rankkit_torch.images import (
    Pixels,
    cropped_pixels,
    normalized_pixels,
    pixel_batch,
    resize_center_crop,
    resized_size,
    squeezed_pixels,
    stacked,
)
from rankkit_torch.models import (
    LinearHead,
    batches,
    empty,
    full_float32,
    load_strict,
    pick_device,
    pick_dtype,
    received,
    sent,
)
from rankkit_torch.pretrained import (
    PLACEHOLDER,
    REWARD,
    RewardTokens,
    check_loaded,
    hidden_at_marks,
    load_pretrained,
    quiet,
    reward_head,
    with_processor,
)
from rankkit_torch.resizing import check_prepare, on_device, whole
from rankkit_torch.towers import ImageTower, embeddings, image_tower
from rankkit_torch.weights import draw

__all__ = [
    "PLACEHOLDER",
    "REWARD",
    "Fitting",
    "ImageTower",
    "LinearHead",
    "Pixels",
    "RewardTokens",
    "batches",
    "check_loaded",
    "check_prepare",
    "cropped_pixels",
    "draw",
    "embeddings",
    "empty",
    "find",
    "full_float32",
    "hidden_at_marks",
    "image_tower",
    "load_pretrained",
    "load_strict",
    "memory",
    "normalized_pixels",
    "on_device",
    "pick_device",
    "pick_dtype",
    "pixel_batch",
    "quiet",
    "read",
    "received",
    "resize_center_crop",
    "resized_size",
    "reward_head",
    "sent",
    "squeezed_pixels",
    "stacked",
    "weights_id",
    "whole",
    "with_processor",
]
