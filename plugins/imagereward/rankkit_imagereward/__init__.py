"""ImageReward (Xu et al. 2023, arXiv 2304.05977): BLIP finetuned on experts' rankings of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from rankkit import Pointwise, Scored

WEIGHTS, FILE = "THUDM/ImageReward", "ImageReward.pt"
TOKENIZER = "google-bert/bert-base-uncased"
# of the raw scores of the training set, published with the weights
MEAN, STD = 0.16717362830052426, 1.0333394966054072


class ImageReward(Pointwise):
    """Prefer what expert annotators preferred: standardised, mostly -2 to 2 (section 3 of the paper).

    Mean 0 and deviation 1 are those over the training set.

    Images are resized to a shorter side of 224 and cropped to the centre. Prompts are cut at 35 tokens, as
    in training: `details` say so. `checkpoint` is the published file, a folder with it or a hub id;
    `tokenizer` a folder or hub id of bert-base-uncased.
    """

    def __init__(
        self,
        *,
        checkpoint: str = WEIGHTS,
        tokenizer: str = TOKENIZER,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 16,
    ) -> None:
        from rankkit_imagereward.model import load, words
        from rankkit_torch import find, pick_device, pick_dtype

        self.batch_size, self.device, self.dtype = (
            batch_size,
            pick_device(device),
            pick_dtype(dtype, "float32"),
        )
        self.model = load(find(checkpoint, file=FILE), self.device, self.dtype)
        self.tokenizer = words(find(tokenizer, files=("*.json", "*.txt"), option="tokenizer"))

    @classmethod
    def version(cls, *, checkpoint: str = WEIGHTS, tokenizer: str = TOKENIZER, **_: Any) -> str:
        """The ids of weights and tokenizer, and that images are prepared by Pillow."""
        from rankkit_torch import weights_id

        return "+".join((weights_id(checkpoint), weights_id(tokenizer, "tokenizer"), "pil"))

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> list[Scored]:
        """One score per image and prompt; details hold the prompt's tokens and what was cut of both."""
        from rankkit_imagereward.model import LIMIT, raw_scores
        from rankkit_torch import batches
        from rankkit_torch.images import resize_details

        lengths = (
            [len(ids) for ids in self.tokenizer(list(prompts), verbose=False)["input_ids"]] if prompts else []
        )
        notes = [
            {
                "prompt_tokens": length,
                "prompt_truncated": length > LIMIT,
                **resize_details(image, self.model.size),
            }
            for image, length in zip(images, lengths, strict=True)
        ]
        pairs = list(zip(images, prompts, strict=True))
        raw = [
            score
            for batch in batches(pairs, self.batch_size)
            for score in raw_scores(self.model, self.tokenizer, batch)
        ]
        return [Scored((score - MEAN) / STD, details=note) for score, note in zip(raw, notes, strict=True)]
