"""HPSv2 (Wu et al. 2023, arXiv 2306.09341): CLIP ViT-H/14 finetuned on the human choices of HPDv2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image

from rankkit import Pointwise, Scored

if TYPE_CHECKING:
    from rankkit_torch import Pixels

WEIGHTS = "xswu/HPSv2"
FILES = {"2.0": "HPS_v2_compressed.pt", "2.1": "HPS_v2.1_compressed.pt"}


class HPSv2(Pointwise):
    """Prefer what people chose in HPDv2: the cosine of image and prompt, from -1 to 1; mostly 0.2 to 0.35.

    The whole image is seen: its longer side becomes 224 and the rest is padded with black, as the authors'
    package does. Prompts are cut at 77 tokens, end mark kept. `version` picks the published weights;
    `checkpoint` is the file itself, a folder with it or a hub id; `model` is the architecture of open_clip
    that they fit.
    """

    def __init__(
        self,
        *,
        version: Literal["2.0", "2.1"] = "2.1",
        checkpoint: str = WEIGHTS,
        model: str = "ViT-H-14",
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 32,
    ) -> None:
        from rankkit_hpsv2.letterbox import Letterboxed
        from rankkit_torch import find, pick_device, pick_dtype, read

        path = find(checkpoint, file=FILES[version])
        self.batch_size = batch_size
        self.towers = Letterboxed(
            model, read(path), path, device=pick_device(device), dtype=pick_dtype(dtype, "float32")
        )

    @classmethod
    def version(cls, *, version: str = "2.1", checkpoint: str = WEIGHTS, **_: Any) -> str:
        """Which of the published weights, their id, and how images are resized.

        That is with antialiasing, as torchvision 0.17 and later do.
        """
        from rankkit_torch import weights_id

        return f"v{version}+{weights_id(checkpoint)}+letterbox-antialias"

    def prepare(self, image: Image.Image) -> Pixels:
        """What the model sees of one image."""
        return self.towers.prepare(image)

    def score(self, prepared: Sequence[Pixels], prompts: Sequence[str]) -> Callable[[], list[Scored]]:
        """One score per image and prompt; details say what was cut or padded of both."""
        from rankkit_torch.clip import cosines

        return cosines(self.towers, prepared, prompts)
