"""ViT-MAE (facebook/vit-mae-base), layer 12: the paper's image map for SDXL-Turbo, on whole images.

transformers' ViTMAE hides a random 75 % of the patches unless told otherwise, also in evaluation; here none
are hidden, and the patches stay in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import ViTMAEModel

from drpo import hub
from drpo.features._vit import prepared, summaries
from drpo.types import Sample

MODEL = "facebook/vit-mae-base"


class VitMae:
    """Keys ``layer12_patch_mean``, ``layer12_patch_std``, ``layer12_cls``, each (K, D)."""

    def __init__(self, model: ViTMAEModel, *, layer: int = 12) -> None:
        model.config.mask_ratio = 0.0
        self.model = model.requires_grad_(False).eval()
        self.layer = layer

    def __call__(self, sample: Sample) -> Mapping[str, Tensor]:
        """The summaries of every candidate's image."""
        self.model.to(sample.latents.device)
        pixels = prepared(sample.pixels, self.model.config.image_size)
        patches = (self.model.config.image_size // self.model.config.patch_size) ** 2
        order = torch.arange(patches, device=pixels.device, dtype=torch.float32).expand(len(pixels), patches)
        seen = self.model(pixels, noise=order, output_hidden_states=True)
        return summaries(seen.hidden_states, (self.layer,))


def load(generator: Any, *, model: str = MODEL) -> VitMae:
    """The map with pretrained weights, from the hub or a local folder, in float32."""
    return VitMae(hub.pretrained(ViTMAEModel, model, setting="features_model", dtype=torch.float32))
