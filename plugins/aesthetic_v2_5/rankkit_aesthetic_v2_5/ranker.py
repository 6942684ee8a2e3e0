"""The ranker `aesthetic-v2.5`: our own port of the predictor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.nn.functional import normalize

from rankkit import Pointwise, Scored
from rankkit_aesthetic_v2_5.weights import head_file, image_tower, processor_of
from rankkit_torch import (
    ImageTower,
    Pixels,
    embeddings,
    empty,
    find,
    full_float32,
    load_strict,
    memory,
    pick_device,
    pick_dtype,
    read,
    received,
    squeezed_pixels,
    weights_id,
)

SIGLIP = "google/siglip-so400m-patch14-384"
SIZES = (1024, 128, 64, 16, 1)  # of the head's layers, which lie at every second place: dropout is between


class AestheticV25(Pointwise):
    """Prefer what people find beautiful, drawn or photographed: about 1 to 10, 5.5 is great. No prompt.

    `checkpoint` is the head, aesthetic_predictor_v2_5.pth; without it the published file, from torch's cache
    or downloaded there. `siglip` is the folder or hub id of the SigLIP so400m (384 pixels) of transformers.
    Images are squeezed to its square, nothing is cut off.
    """

    def __init__(
        self,
        *,
        checkpoint: str = "",
        siglip: str = SIGLIP,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 32,
    ) -> None:
        self.batch_size = batch_size
        self.device, self.dtype = pick_device(device), pick_dtype(dtype, "float32")
        path, folder = head_file(checkpoint), find(siglip, option="siglip")
        state, tower = read(path), image_tower(folder)
        with empty():
            head = _head(tower.config.hidden_size)
        load_strict(head, state, path)
        self.processor = processor_of(folder)
        self.preparation = f"pil {self.processor.to_json_string()}"
        with memory(self.device, f"the weights of {siglip} and {path}"):
            tower, self.head = tower.to(self.device, self.dtype), head.float().to(self.device)
        self.tower = ImageTower(tower, self.device, self.dtype, "pooler_output")

    @classmethod
    def version(cls, *, checkpoint: str = "", siglip: str = SIGLIP, **_: Any) -> str:
        """The ids of head and SigLIP, and how images are prepared."""
        return "+".join((weights_id(str(head_file(checkpoint))), weights_id(siglip, "siglip"), "pil"))

    def prepare(self, image: Image.Image) -> Pixels:
        """What the model sees of one image, by SigLIP's own image processor."""
        return squeezed_pixels(image, self.processor)

    def embed(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Unit vectors of images, (images, D), by SigLIP: the features that `rankkit fit` takes."""
        return embeddings(self.prepare, self.tower.features, images, self.batch_size)

    @torch.inference_mode()
    @full_float32()
    def score(self, prepared: Sequence[Pixels]) -> Callable[[], list[Scored]]:
        """One score per image."""
        unit_BD = normalize(self.tower.features(prepared).float(), dim=-1)
        scores = received(self.head(unit_BD).squeeze(-1).double())
        notes = [pixels.details for pixels in prepared]
        return lambda: [
            Scored(score, details=note) for score, note in zip(scores().tolist(), notes, strict=True)
        ]


def _head(features: int) -> nn.Module:
    """Five linear layers, under the names that the published file gives them."""
    layers: list[nn.Module] = []
    for into, out in pairwise((features, *SIZES)):
        layers += [nn.Linear(into, out), nn.Identity()]
    head = nn.Sequential()
    head.add_module("scoring_head", nn.Sequential(*layers[:-1]))
    return head
