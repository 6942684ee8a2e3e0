"""PickScore (Kirstain et al. 2023, arXiv 2305.01569): CLIP-H finetuned on the human choices of Pick-a-Pic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image

from rankkit import Pointwise, Scored

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rankkit_torch import Pixels

WEIGHTS = "yuvalkirstain/PickScore_v1"
PROCESSOR = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"


class PickScore(Pointwise):
    """Prefer what users of Pick-a-Pic preferred: scale times cos(image, prompt), mostly 15 to 25.

    The scale is learned, about 100.

    exp of a difference between two images of one prompt is the odds that people choose the first (section 4
    of the paper). Images are resized to a shorter side of 224 and cropped to the centre; prompts are cut at
    77 tokens, end mark kept. `checkpoint` and `processor` are folders or hub ids; a checkpoint folder with a
    preprocessor_config.json is its own processor.

    With `prepare=gpu` images are resized on the device, not by Pillow: other scores by a hair, for training.
    """

    def __init__(
        self,
        *,
        checkpoint: str = WEIGHTS,
        processor: str = "",
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 32,
        prepare: Literal["pil", "gpu"] = "pil",
    ) -> None:
        from rankkit_torch import pick_device, pick_dtype
        from rankkit_torch.clip import HuggingFaceClip

        self.batch_size = batch_size
        self.clip = HuggingFaceClip(
            checkpoint,
            processor or _processor(checkpoint),
            device=pick_device(device),
            dtype=pick_dtype(dtype, "float32"),
            prepare=prepare,
        )
        self.preparation = self.clip.preparation

    @classmethod
    def version(
        cls, *, checkpoint: str = WEIGHTS, processor: str = "", prepare: str = "pil", **_: Any
    ) -> str:
        """The weights' id, the processor's where it is another, and how images are prepared."""
        from rankkit_torch.clip import version_of

        return version_of(checkpoint, processor or _processor(checkpoint), prepare)

    def prepare(self, image: Image.Image) -> Pixels:
        """What the model sees of one image."""
        return self.clip.prepare(image)

    def embed(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Unit vectors of images, (images, D), by the image tower: the features that `rankkit fit` takes."""
        from rankkit_torch import embeddings

        return embeddings(self.prepare, self.clip.embed_images, images, self.batch_size)

    def score(self, prepared: Sequence[Pixels], prompts: Sequence[str]) -> Callable[[], list[Scored]]:
        """One score per image and prompt; details hold the prompt's tokens and what was cut of both."""
        from rankkit_torch.clip import cosines

        return cosines(self.clip, prepared, prompts, self.clip.scale)


def _processor(checkpoint: str) -> str:
    return checkpoint if (Path(checkpoint).expanduser() / "preprocessor_config.json").is_file() else PROCESSOR
