"""What vision transformers share as feature maps: images in, patch means, patch spreads and the class token
out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

# ImageNet's, which all these models were trained with
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def prepared(pixels: Tensor, size: int) -> Tensor:
    """(K,3,size,size) normalised, from pixels in [-1, 1]; antialiased, so that shrinking does not invent
    detail.
    """
    unit = pixels.float() / 2 + 0.5
    resized = interpolate(unit, (size, size), mode="bicubic", antialias=True, align_corners=False)
    mean, std = (torch.tensor(values, device=pixels.device)[:, None, None] for values in (MEAN, STD))
    return (resized - mean) / std


def summaries(hidden: Sequence[Tensor], layers: Sequence[int]) -> Mapping[str, Tensor]:
    """Per layer three keys from its tokens (K, 1+patches, D): mean and standard deviation over patches, and
    the class token; each (K,D).
    """
    found = {}
    for layer in layers:
        tokens = hidden[layer]
        found[f"layer{layer}_patch_mean"] = tokens[:, 1:].mean(1)
        found[f"layer{layer}_patch_std"] = tokens[:, 1:].std(1)
        found[f"layer{layer}_cls"] = tokens[:, 0]
    return found
