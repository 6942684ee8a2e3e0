"""LAION's aesthetic predictor v2 (Schuhmann 2022): a linear head on CLIP ViT-L/14."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch.nn.functional import normalize

from rankkit import Pointwise, Scored
from rankkit.errors import BrokenRanker
from rankkit_torch import (
    LinearHead,
    batches,
    empty,
    find,
    full_float32,
    load_strict,
    memory,
    normalized_pixels,
    pick_device,
    pick_dtype,
    pixel_batch,
    read,
    resize_center_crop,
    weights_id,
)
from rankkit_torch.images import resize_details

HEAD, HEAD_FILE = "trl-lib/ddpo-aesthetic-predictor", "aesthetic-model.pth"
CLIP = "openai/clip-vit-large-patch14"
OTHER_TOWER = ("text_model.", "text_projection.", "logit_scale")


class Aesthetic(Pointwise):
    """Prefer what people rated as beautiful: about 1 to 10, mostly 4 to 7. Needs no prompt.

    `checkpoint` is the head: a file such as sac+logos+ava1-l14-linearMSE.pth, or a hub id. `clip` is the
    folder or hub id of OpenAI's CLIP ViT-L/14 of transformers. Images are resized to a shorter side of 224
    and cropped to the centre.
    """

    def __init__(
        self,
        *,
        checkpoint: str = HEAD,
        clip: str = CLIP,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 32,
    ) -> None:
        self.batch_size, self.device, self.dtype = (
            batch_size,
            pick_device(device),
            pick_dtype(dtype, "float32"),
        )
        tower, self.size = _tower(clip)
        path = find(checkpoint, file=HEAD_FILE)
        with empty():
            head = LinearHead(tower.config.projection_dim)
        load_strict(head, read(path), path)
        with memory(self.device, f"the weights of {clip}"):
            self.tower, self.head = tower.to(self.device, self.dtype), head.to(self.device)

    @classmethod
    def version(cls, *, checkpoint: str = HEAD, clip: str = CLIP, **_: Any) -> str:
        """The ids of head and CLIP, and that images are prepared by Pillow."""
        return "+".join((weights_id(checkpoint), weights_id(clip, "clip"), "pil"))

    def score(self, images: Sequence[Image.Image]) -> list[Scored]:
        """One score per image, with what was cut of it."""
        notes = [resize_details(image, self.size) for image in images]
        scores = [score for batch in batches(images, self.batch_size) for score in self._batch(batch)]
        return [Scored(score, details=note) for score, note in zip(scores, notes, strict=True)]

    @torch.inference_mode()
    @full_float32()
    def _batch(self, images: Sequence[Image.Image]) -> list[float]:
        pixels = pixel_batch(lambda image: normalized_pixels(resize_center_crop(image, self.size)), images)
        with memory(self.device, f"{len(images)} images"):
            features = self.tower(pixel_values=pixels.to(self.device, self.dtype)).image_embeds
            scores: list[float] = self.head(normalize(features.float(), dim=-1)).double().tolist()
        return scores


def _tower(clip: str) -> tuple[Any, int]:
    """CLIP's image tower, and the side of the square it sees."""
    from transformers import CLIPConfig, CLIPVisionModelWithProjection

    folder = find(clip, option="clip")
    config = CLIPConfig.from_pretrained(folder)
    vision: Any = config.vision_config
    if vision.hidden_act != "quick_gelu":
        raise BrokenRanker(
            f"{clip} uses {vision.hidden_act}, and the head was trained on OpenAI's CLIP, "
            "which uses quick_gelu"
        )
    vision.projection_dim = config.projection_dim
    with empty():
        tower = CLIPVisionModelWithProjection(vision)
    state = {key: value for key, value in read(folder).items() if not key.startswith(OTHER_TOWER)}
    return load_strict(tower, state, folder, ignore=("position_ids",)), int(vision.image_size)
