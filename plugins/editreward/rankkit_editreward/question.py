"""What EditReward is asked: two turns of chat, with both images, an instruction and the mark of the answer.

following.txt and quality.txt are the authors' texts, letter by letter, because scores depend on them:
github.com/TIGER-AI-Lab/EditReward at edb027e (2026-02-06), MIT licence, (c) 2025 TIGER Lab.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from rankkit.errors import BrokenRanker
from rankkit.plugin import reason_of
from rankkit_torch import PLACEHOLDER, REWARD, RewardTokens

PIXELS = 256 * 28 * 28  # of an image as seen: 448 x 448, or as many in another shape
QUESTIONS = tuple(
    (Path(__file__).parent / f"{name}.txt").read_text("utf-8") for name in ("following", "quality")
)


@dataclass(frozen=True)
class Patches:
    """One image ready for the model: patches (P, 1176) float32, and their grid (time, height, width)."""

    values: NDArray[np.float32]
    grid: tuple[int, int, int]

    @property
    def nbytes(self) -> int:
        """The memory of the values, by which rankkit bounds how many are made ahead."""
        return self.values.nbytes


@dataclass(frozen=True)
class Question:
    """Token ids, and both images, before and after the edit."""

    ids: list[int]
    images: tuple[Patches, Patches]


class Asker:
    """Makes questions, and batches of them padded on the right, as the base's tokenizer and processor do."""

    def __init__(self, folder: Path, vocabulary: int) -> None:
        from transformers import AutoImageProcessor

        self.tokens = RewardTokens(folder, vocabulary)
        self.tokenizer = self.tokens.tokenizer
        images: Any = AutoImageProcessor
        size = {"shortest_edge": PIXELS, "longest_edge": PIXELS}
        try:
            self.processor = images.from_pretrained(folder, backend="pil", size=size)
        except Exception as error:
            reason = reason_of(error)
            raise BrokenRanker(f"{folder} holds no image processor ({reason}); give base=FOLDER") from None

    def prepare(self, image: Image.Image) -> Patches:
        """What the model sees of one image: about 448 x 448 pixels in its own shape."""
        made = self.processor(images=[image], return_tensors="np")
        time, height, width = map(int, made["image_grid_thw"][0])
        return Patches(np.asarray(made["pixel_values"], np.float32), (time, height, width))

    def ask(self, part: int, instruction: str, before: Patches, after: Patches) -> Question:
        """How the instruction was followed (part 0), or how good the result looks (part 1).

        Raises `BrokenRanker` for an instruction that holds the model's own marks.
        """
        text = QUESTIONS[part].replace("{text_prompt}", instruction)
        content = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": text}]
        chat = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        pieces = chat.split(PLACEHOLDER)
        counts = [int(np.prod(each.grid)) // self.processor.merge_size**2 for each in (before, after)]
        if len(pieces) != 3:
            raise BrokenRanker(
                f"the prompt holds a mark of the model itself ({PLACEHOLDER}), or its template"
            )
        text = pieces[0] + "".join(
            PLACEHOLDER * count + piece for count, piece in zip(counts, pieces[1:], strict=True)
        )
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        if ids.count(self.tokens.reward) != 1:
            raise BrokenRanker(
                f"the prompt holds a mark of the model itself ({REWARD}), and cannot be judged"
            )
        return Question(ids, (before, after))

    def batch(self, questions: Sequence[Question]) -> dict[str, torch.Tensor]:
        """Tokens and mask (B, L), all patches, grids (2B, 3), and where each is to be answered (B,)."""
        images = [image for question in questions for image in question.images]
        return {
            **self.tokens.padded([question.ids for question in questions]),
            "patches": torch.from_numpy(np.concatenate([image.values for image in images])),
            "grids": torch.tensor([image.grid for image in images]),
        }
