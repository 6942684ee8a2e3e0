"""LAION's aesthetic predictor v2 (Schuhmann 2022): a linear head on CLIP ViT-L/14."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import normalize

from rankkit import Pointwise, Scored
from rankkit.errors import BrokenRanker
from rankkit_torch import (
    ImageTower,
    LinearHead,
    Pixels,
    check_prepare,
    cropped_pixels,
    embeddings,
    empty,
    find,
    full_float32,
    image_tower,
    load_strict,
    memory,
    pick_device,
    pick_dtype,
    read,
    received,
    weights_id,
    whole,
)

HEAD, HEAD_FILE = "trl-lib/ddpo-aesthetic-predictor", "aesthetic-model.pth"
CLIP = "openai/clip-vit-large-patch14"
SIDE = 224  # pixels that it sees


class Aesthetic(Pointwise):
    """Prefer what people rated as beautiful: about 1 to 10, mostly 4 to 7. Needs no prompt.

    `checkpoint` is the head: a file such as sac+logos+ava1-l14-linearMSE.pth, or a hub id. `clip` is the
    folder or hub id of OpenAI's CLIP ViT-L/14 of transformers. Images are resized to a shorter side of 224
    and cropped to the centre.

    With `prepare=gpu` images are resized on the device, not by Pillow: other scores by a hair, for training.
    """

    def __init__(
        self,
        *,
        checkpoint: str = HEAD,
        clip: str = CLIP,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 32,
        prepare: Literal["pil", "gpu"] = "pil",
    ) -> None:
        self.batch_size, self.device, self.dtype = (
            batch_size,
            pick_device(device),
            pick_dtype(dtype, "float32"),
        )
        self.tower, self.size = _tower(clip, self.device, self.dtype)
        self.on_device = check_prepare(prepare) != "pil"
        self.preparation = f"cropped_pixels {prepare} {self.size}"
        path = find(checkpoint, file=HEAD_FILE)
        with empty():
            head = LinearHead(self.tower.model.config.projection_dim)
        load_strict(head, read(path), path)
        with memory(self.device, f"the weights of {checkpoint}"):
            self.head = head.to(self.device)

    @classmethod
    def version(cls, *, checkpoint: str = HEAD, clip: str = CLIP, prepare: str = "pil", **_: Any) -> str:
        """The ids of head and CLIP, and how images are prepared."""
        return "+".join((weights_id(checkpoint), weights_id(clip, "clip"), check_prepare(prepare)))

    def prepare(self, image: Image.Image) -> Pixels:
        """What the model sees of one image."""
        return whole(image, self.size) if self.on_device else cropped_pixels(image, self.size)

    def embed(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Unit vectors of images, (images, D), by the image tower: the features that `rankkit fit` takes."""
        return embeddings(self.prepare, self.tower.features, images, self.batch_size)

    @torch.inference_mode()
    @full_float32()
    def score(self, prepared: Sequence[Pixels]) -> Callable[[], list[Scored]]:
        """One score per image, with what was cut of it."""
        features_BD = self.tower.features(prepared)
        scores_B = self.head(normalize(features_BD.float(), dim=-1)).double()
        scores = received(scores_B)
        notes = [pixels.details for pixels in prepared]
        return lambda: [
            Scored(score, details=note) for score, note in zip(scores().tolist(), notes, strict=True)
        ]


def _tower(clip: str, device: torch.device, dtype: torch.dtype) -> tuple[ImageTower, int]:
    """CLIP's image tower, and the side of the square it sees."""
    from transformers import CLIPConfig

    folder = find(clip, option="clip")
    config = CLIPConfig.from_pretrained(folder)
    vision: Any = config.vision_config
    if vision.hidden_act != "quick_gelu":
        raise BrokenRanker(
            f"{clip} uses {vision.hidden_act}, and the head was trained on OpenAI's CLIP, "
            "which uses quick_gelu"
        )
    if vision.image_size > SIDE:
        raise BrokenRanker(
            f"{clip} sees {vision.image_size} pixels a side, as ViT-L/14@336px does, and the head was "
            f"trained on one that sees {SIDE}; give clip={CLIP}"
        )
    tower = image_tower(folder, config, lambda: read(folder), device=device, dtype=dtype)
    return tower, int(vision.image_size)
