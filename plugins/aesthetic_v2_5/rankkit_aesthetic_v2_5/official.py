"""The original package aesthetic-predictor-v2-5 as a ranker, in an environment of its own.

It is under the AGPL, needs an earlier transformers than ours, and is the reference that our port is compared
with.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Sequence
from typing import Any

from PIL import Image

from rankkit import Pointwise
from rankkit.errors import RankkitError
from rankkit.plugin import versions_of


class Official(Pointwise):
    """Aesthetic Predictor V2.5 as its author's package scores it: about 1 to 10, above 5.5 is great.

    `checkpoint`: the head's file, else the package downloads it. `siglip`: a folder or hub id. `device` and
    `dtype` are torch's own names; the README of the package scores in bfloat16 on a GPU.
    """

    def __init__(
        self,
        *,
        checkpoint: str = "",
        siglip: str = "google/siglip-so400m-patch14-384",
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        self.torch = importlib.import_module("torch")
        with contextlib.redirect_stdout(sys.stderr):
            package = importlib.import_module("aesthetic_predictor_v2_5")
            try:
                model, self.processor = package.convert_v2_5_from_siglip(checkpoint or None, siglip)
            except OSError as error:
                raise RankkitError(
                    f"{siglip} or the head is not here and cannot be downloaded ({error}); without a network "
                    "give siglip=FOLDER,checkpoint=FILE"
                ) from error
        self.device, self.dtype = device, getattr(self.torch, dtype)
        self.model = model.to(self.device, self.dtype)

    @classmethod
    def version(cls, **_: Any) -> str:
        """The version of the author's package."""
        return versions_of("aesthetic-predictor-v2-5")

    def score(self, images: Sequence[Image.Image]) -> list[float]:
        """The loop of the package's README, one image at a time.

        The processor is told where the colours lie: of an image one pixel high it guesses wrong and fails.
        """
        scores, given = [], {"return_tensors": "pt", "input_data_format": "channels_last"}
        with self.torch.inference_mode():
            for image in images:
                pixels = self.processor(images=image.convert("RGB"), **given).pixel_values
                logits = self.model(pixels.to(self.device, self.dtype)).logits
                scores.append(float(logits.squeeze().float()))
        return scores
