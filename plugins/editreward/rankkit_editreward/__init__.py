"""EditReward (Wu et al. 2025, arXiv 2509.26346): how well an image is edited as an instruction says.

Qwen2.5-VL (as MiMo-VL) sees the image before and after the edit, and answers by two heads: for how the
instruction was followed, and for how good the result looks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from PIL import Image

from rankkit import Pointwise, Scored
from rankkit.errors import BrokenRanker
from rankkit.plugin import Decoded, describe, image_option, images_of

if TYPE_CHECKING:
    from rankkit_editreward.question import Patches, Question

WEIGHTS = "TIGER-Lab/EditReward-MiMo-VL-7B-SFT-2508"
BASE = "XiaomiMiMo/MiMo-VL-7B-SFT-2508"
KEY = "source"  # of the metadata
FILES = ("*.safetensors", "*.json", "*.pth")
PARTS = ("following", "quality")
NO_SOURCE = (
    "editreward compares with the image before the edit, and none is named: give metadata with source=PATH "
    "(a column of --prompts), or editreward:original=PATH for all"
)


class EditReward(Pointwise):
    """Prefer edits that people preferred: the mean of both heads, unbounded.

    The image before the edit is the image or path `source` in an image's metadata, else the file `original`;
    where there is neither, the image abstains. Relative paths in metadata start at `folder`, else at the
    current folder, and with a `folder` nothing outside of it is read. The prompt is the instruction. `stderr`
    is the learned standard deviation. `checkpoint` is a published folder or hub id, `base` a folder or hub id
    with the configuration, tokenizer and image processor of the Qwen2.5-VL it was trained from.
    """

    metadata_images: ClassVar[tuple[str, ...]] = (KEY,)

    def __init__(
        self,
        *,
        checkpoint: str = WEIGHTS,
        base: str = BASE,
        original: str = "",
        folder: str = "",
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 8,
    ) -> None:
        from rankkit_editreward.model import load
        from rankkit_editreward.question import Asker
        from rankkit_torch import Fitting, find, pick_device, pick_dtype

        image_option("original", original)
        self.original, self.folder, self.batch_size = original, folder, batch_size
        self.device = pick_device(device)
        self.fitting = Fitting(self.device)
        place = find(base, files=("*.json", "*.txt", "*.jinja"), option="base")
        self.model = load(find(checkpoint, files=FILES), place, self.device, pick_dtype(dtype, "bfloat16"))
        self.asker = Asker(place, self.model.vocabulary)

    @classmethod
    def version(cls, *, checkpoint: str = WEIGHTS, base: str = BASE, original: str = "", **_: Any) -> str:
        """The ids of the weights, of configuration and tokenizer, and of the source that is an option."""
        from rankkit_torch import weights_id

        image_option("original", original)
        ids = [weights_id(checkpoint), weights_id(base, "base")]
        return "+".join([*ids, *([weights_id(original, "original")] if original else []), "pil"])

    def prepare(self, image: Image.Image) -> Patches:
        """What the model sees of one image."""
        return self.asker.prepare(image)

    def score(
        self, prepared: Sequence[Patches], prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]]
    ) -> Callable[[], list[Scored]]:
        """One score per edited image with its standard deviation; details hold what either head said."""
        from rankkit_torch import batches, received

        sources = self._sources(metadata)
        asked: dict[int, list[Question]] = {}
        for place, (after, prompt, before) in enumerate(zip(prepared, prompts, sources, strict=True)):
            if not isinstance(before, str):
                asked[place] = [self.asker.ask(part, prompt, before, after) for part in range(len(PARTS))]
        told = [
            [
                received(both)
                for some in batches(list(asked.values()), self.batch_size)
                for both in self.fitting(lambda few, part=part: self._batch(few, part), some)  # type: ignore[misc]
            ]
            for part in range(len(PARTS))
        ]

        def answers() -> list[Scored]:
            heads = [list(chain(*(both().tolist() for both in part))) for part in told]
            found = dict(zip(asked, zip(*heads, strict=True), strict=True)) if asked else {}
            return [
                _scored(found[place]) if place in found else Scored(math.nan, details={"error": source})
                for place, source in enumerate(sources)
            ]

        return answers

    def _batch(self, questions: Sequence[list[Question]], part: int) -> Any:
        return self.model.answer(self.asker.batch([each[part] for each in questions]), part, self.device)

    def _sources(self, metadata: Sequence[Mapping[str, Any]]) -> list[Patches | str]:
        """The image before the edit of each as the model sees it; or why there is none."""
        found = images_of(metadata, KEY, self._seen, usual=self.original, folder=self.folder)
        return [each or NO_SOURCE for each in found]

    def _seen(self, source: Decoded) -> Patches | str:
        if source.image is None:
            return f"source {source.error}"
        try:
            return self.prepare(source.image)
        except (ValueError, BrokenRanker) as error:  # so narrow that the authors' code refuses it too
            return f"source: {describe(error)}"


def _scored(heads: Sequence[Sequence[float]]) -> Scored:
    """Both heads' mean, as published: of their means, and of the logarithms of their deviations."""
    mean, log_sigma = (math.fsum(values) / len(heads) for values in zip(*heads, strict=True))
    details = {name: value for name, (value, _) in zip(PARTS, heads, strict=True)}
    return Scored(mean, math.exp(log_sigma), {**details, "log_sigma": log_sigma})
