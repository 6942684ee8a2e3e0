"""ImageReward (Xu et al. 2023, arXiv 2304.05977): BLIP finetuned on experts' rankings of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image

from rankkit import Pointwise, Scored

if TYPE_CHECKING:
    from rankkit_torch import Pixels

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

    With `prepare=gpu` images are resized on the device, not by Pillow: other scores by a hair, for training.
    """

    def __init__(
        self,
        *,
        checkpoint: str = WEIGHTS,
        tokenizer: str = TOKENIZER,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 16,
        prepare: Literal["pil", "gpu"] = "pil",
    ) -> None:
        from rankkit_imagereward.model import load, words
        from rankkit_torch import Fitting, check_prepare, find, pick_device, pick_dtype

        self.batch_size, self.device, self.dtype = (
            batch_size,
            pick_device(device),
            pick_dtype(dtype, "float32"),
        )
        self.model = load(find(checkpoint, file=FILE), self.device, self.dtype)
        self.on_device = check_prepare(prepare) != "pil"
        self.preparation = f"cropped_pixels {prepare} {self.model.size}"
        self.fitting = Fitting(self.device)
        self.tokenizer = words(find(tokenizer, files=("*.json", "*.txt"), option="tokenizer"))

    @classmethod
    def version(
        cls, *, checkpoint: str = WEIGHTS, tokenizer: str = TOKENIZER, prepare: str = "pil", **_: Any
    ) -> str:
        """The ids of weights and tokenizer, and how images are prepared."""
        from rankkit_torch import check_prepare, weights_id

        return "+".join((weights_id(checkpoint), weights_id(tokenizer, "tokenizer"), check_prepare(prepare)))

    def prepare(self, image: Image.Image) -> Pixels:
        """What the model sees of one image."""
        from rankkit_torch import cropped_pixels, whole

        return (whole if self.on_device else cropped_pixels)(image, self.model.size)

    def score(self, prepared: Sequence[Pixels], prompts: Sequence[str]) -> Callable[[], list[Scored]]:
        """One score per image and prompt; details hold the prompt's tokens and what was cut of both."""
        from rankkit_imagereward.model import LIMIT, raw_scores
        from rankkit_torch import received

        run = partial(raw_scores, self.model, self.tokenizer)
        parts = list(map(received, self.fitting(run, list(zip(prepared, prompts, strict=True)))))
        lengths = [len(ids) for ids in self.tokenizer(list(prompts), verbose=False)["input_ids"]]
        notes = [
            {"prompt_tokens": length, "prompt_truncated": length > LIMIT, **pixels.details}
            for pixels, length in zip(prepared, lengths, strict=True)
        ]
        return lambda: [
            Scored((score - MEAN) / STD, details=note)
            for score, note in zip(chain(*(raw().tolist() for raw in parts)), notes, strict=True)
        ]
