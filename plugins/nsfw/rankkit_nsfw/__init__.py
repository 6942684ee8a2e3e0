"""1 - P(nsfw) by an image classifier (Falconsai/nsfw_image_detection): a constraint, for `veto`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image

from rankkit import Pointwise, Scored
from rankkit.errors import BadOption
from rankkit_torch import (
    Fitting,
    Pixels,
    find,
    full_float32,
    memory,
    on_device,
    pick_device,
    pick_dtype,
    received,
    squeezed_pixels,
    weights_id,
    with_processor,
)

WEIGHTS = "Falconsai/nsfw_image_detection"


class Nsfw(Pointwise):
    """Prefer images that a classifier holds fit to be shown: 1 - P(nsfw), 0 to 1. Needs no prompt.

    A constraint rather than a preference: ``rankkit.veto(ranker, by=rankkit.load("nsfw"), below=0.5)``; the
    bound is yours. `checkpoint` is a folder or hub id of a ViT for image classification of transformers, by
    whose own image processor images are squeezed to its square. `unsafe` names the labels that are not to be
    shown, joined by ``|``; their probabilities are added.
    """

    def __init__(
        self,
        *,
        checkpoint: str = WEIGHTS,
        unsafe: str = "nsfw",
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 32,
    ) -> None:
        self.batch_size = batch_size
        self.device, self.dtype = pick_device(device), pick_dtype(dtype, "float32")
        self.fitting = Fitting(self.device)
        model, self.processor = with_processor(
            find(checkpoint),
            "ViTForImageClassification",
            model_type="vit",
            what="image classifier",
            wanted="a vit for image classification",
        )
        self.labels: list[str] = [name for _, name in sorted(model.config.id2label.items())]
        self.unsafe = _places(unsafe, self.labels, checkpoint)
        self.preparation = f"pil {self.processor.to_json_string()}"
        with memory(self.device, f"the weights of {checkpoint}"):
            self.model = model.to(self.device, self.dtype)

    @classmethod
    def version(cls, *, checkpoint: str = WEIGHTS, **_: Any) -> str:
        """The weights' id, and how images are prepared."""
        return f"{weights_id(checkpoint)}+pil"

    def prepare(self, image: Image.Image) -> Pixels:
        """What the model sees of one image, by the checkpoint's own image processor."""
        return squeezed_pixels(image, self.processor)

    @torch.inference_mode()
    @full_float32()
    def score(self, prepared: Sequence[Pixels]) -> Callable[[], list[Scored]]:
        """One score per image; details hold the likeliest label."""
        logits_BL = torch.cat(self.fitting(self._forward, prepared)).double()
        found = received(logits_BL.softmax(-1))
        return lambda: [
            Scored(
                1 - float(shares_L[self.unsafe].sum()),
                details={"label": self.labels[int(shares_L.argmax())], **pixels.details},
            )
            for shares_L, pixels in zip(found(), prepared, strict=True)
        ]

    def _forward(self, prepared: Sequence[Pixels]) -> torch.Tensor:
        pixels_B3HW = on_device(prepared, self.device, self.dtype)
        logits_BL: torch.Tensor = self.model(pixel_values=pixels_B3HW).logits
        return logits_BL


def _places(unsafe: str, labels: Sequence[str], checkpoint: str) -> list[int]:
    """Where the unsafe labels are among all. Raises `BadOption` with those there are."""
    wanted = unsafe.split("|")
    unknown = sorted(set(wanted) - set(labels))
    if unknown or len(set(wanted)) == len(labels):
        raise BadOption(
            f"unsafe={unsafe!r} does not name some of the labels of {checkpoint} and leave others: "
            f"{', '.join(labels)}"
        )
    return sorted({labels.index(label) for label in wanted})
