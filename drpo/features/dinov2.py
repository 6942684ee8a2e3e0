"""DINOv2 (facebook/dinov2-base) on decoded images: a map that knows objects better than pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import Dinov2Model

from drpo import hub
from drpo.features._vit import prepared, summaries
from drpo.types import Sample

MODEL = "facebook/dinov2-base"


class DinoV2:
    """Keys ``layer12_patch_mean``, ``layer12_patch_std``, ``layer12_cls``, each (K, D)."""

    def __init__(self, model: Dinov2Model, *, layer: int = 12, size: int = 224) -> None:
        self.model = model.requires_grad_(False).eval()
        self.layer, self.size = layer, size

    def __call__(self, sample: Sample) -> Mapping[str, Tensor]:
        """The summaries of every candidate's image."""
        self.model.to(sample.latents.device)
        seen = self.model(prepared(sample.pixels, self.size), output_hidden_states=True)
        return summaries(seen.hidden_states, (self.layer,))


def load(generator: Any, *, model: str = MODEL) -> DinoV2:
    """The map with pretrained weights, from the hub or a local folder, in float32."""
    return DinoV2(hub.pretrained(Dinov2Model, model, setting="features_model", dtype=torch.float32))
