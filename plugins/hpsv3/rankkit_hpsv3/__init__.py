"""HPSv3 (Ma et al. 2025, arXiv 2508.03789): Qwen2-VL-7B with a head for a preference and its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from PIL import Image

from rankkit import Pointwise, Scored
from rankkit.errors import BadOption

if TYPE_CHECKING:
    from rankkit_hpsv3.question import Patches, Question

WEIGHTS, FILE = "MizzenAI/HPSv3", "HPSv3.safetensors"
BASE = "Qwen/Qwen2-VL-7B-Instruct"
AMONG = 64  # images among which those of like length are chosen for a batch


class HPSv3(Pointwise):
    """Prefer what people chose in HPDv3: the mean of the learned preference, mostly -5 to 15.

    It is unbounded (section 4 of the paper).

    `stderr` is the learned standard deviation, the exponential of the head's second number: how unsure the
    model is. The whole image is seen, resized to about 448 x 448 pixels in its own shape; the prompt is not
    cut. `checkpoint` is the published file, a folder with it or a hub id; `base` a folder or hub id with
    Qwen2-VL's config and tokenizer. A batch holds at most `batch_size` images and `batch_tokens` tokens,
    padding counted.
    """

    def __init__(
        self,
        *,
        checkpoint: str = WEIGHTS,
        base: str = BASE,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 16,
        batch_tokens: int = 16384,
    ) -> None:
        from rankkit_hpsv3.model import load
        from rankkit_hpsv3.question import Asker
        from rankkit_torch import Fitting, find, pick_device, pick_dtype

        if batch_size < 1 or batch_tokens < 1:
            raise BadOption(f"batch_size={batch_size} and batch_tokens={batch_tokens} are at least 1")
        self.most, self.batch_tokens, self.device = batch_size, batch_tokens, pick_device(device)
        self.batch_size = max(batch_size, AMONG)
        self.fitting = Fitting(self.device)
        folder = find(base, files=("*.json", "*.txt"), option="base")
        self.model = load(find(checkpoint, file=FILE), folder, self.device, pick_dtype(dtype, "bfloat16"))
        self.asker = Asker(folder, self.model.vocabulary)

    @classmethod
    def version(cls, *, checkpoint: str = WEIGHTS, base: str = BASE, **_: Any) -> str:
        """The ids of the weights and of configuration and tokenizer, and that Pillow prepares images."""
        from rankkit_torch import weights_id

        return "+".join((weights_id(checkpoint), weights_id(base, "base"), "pil"))

    def prepare(self, image: Image.Image) -> Patches:
        """What the model sees of one image."""
        from rankkit_hpsv3.question import prepare

        return prepare(image)

    def score(self, prepared: Sequence[Patches], prompts: Sequence[str]) -> Callable[[], list[Scored]]:
        """One score per image and prompt with its standard deviation.

        Details hold the prompt's length in tokens and the image's size as seen.
        """
        from rankkit_torch import received

        questions = self.asker.ask(prepared, prompts)
        asked = [
            (places, list(map(received, self.fitting(self._batch, [questions[place] for place in places]))))
            for places in plan([len(each.ids) for each in questions], self.most, self.batch_tokens)
        ]

        def answers() -> list[Scored]:
            found = {
                place: answer
                for places, parts in asked
                for place, answer in zip(places, chain(*(both().tolist() for both in parts)), strict=True)
            }
            return [
                Scored(
                    found[place][0], math.exp(found[place][1]), {**each.details, "log_sigma": found[place][1]}
                )
                for place, each in enumerate(questions)
            ]

        return answers

    def _batch(self, questions: Sequence[Question]) -> Any:
        return self.model.answer(self.asker.batch(questions), self.device)


def plan(lengths: Sequence[int], most: int, budget: int) -> list[list[int]]:
    """Indices of items in batches of like lengths.

    At most `most` items, and longest times count at most `budget` (one item always fits).

    >>> plan([5, 100, 6, 90], most=8, budget=200)
    [[0, 2], [3, 1]]
    """
    batches: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda place: lengths[place]):
        room = batches and len(batches[-1]) < most and lengths[place] * (len(batches[-1]) + 1) <= budget
        if room and 2 * lengths[batches[-1][0]] >= lengths[place]:
            batches[-1].append(place)
        else:
            batches.append([place])
    return batches
