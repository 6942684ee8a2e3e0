"""What HPSv3 is asked: one turn of chat with image, instruction and the mark at which it answers.

question.txt is the authors' text, letter by letter, because scores depend on it: hpsv3 1.0.0, MIT licence,
(c) 2024 HPSv3 Team.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from rankkit.errors import BrokenRanker
from rankkit_torch import PLACEHOLDER, REWARD, RewardTokens, normalized_pixels

PIXELS = 256 * 28 * 28  # of an image as seen: 448 x 448, or as many in another shape
SIDE = 28  # of what becomes one token: two by two patches of 14 pixels
PATCH = 14
MAX_RATIO = 200
BEFORE = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|>"
AFTER = "<|im_end|>\n<|im_start|>assistant\n"
QUESTION = (Path(__file__).parent / "question.txt").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Patches:
    """One image ready for the model: patches (P, 1176) float32 of what it was resized to, in pixels."""

    values: NDArray[np.float32]
    width: int
    height: int

    @property
    def nbytes(self) -> int:
        """The memory of the values, by which rankkit bounds how many are made ahead."""
        return self.values.nbytes


@dataclass(frozen=True, slots=True)
class Question:
    """One image and prompt ready for the model: token ids, patches, and the details for the row."""

    ids: list[int]
    patches: Patches
    details: dict[str, Any]


class Asker:
    """Makes questions, and batches of them padded on the right."""

    def __init__(self, folder: Path, vocabulary: int) -> None:
        self.tokens = RewardTokens(folder, vocabulary)
        self.tokenizer = self.tokens.tokenizer

    def ask(self, prepared: Sequence[Patches], prompts: Sequence[str]) -> list[Question]:
        """One question per image and prompt.

        Raises `BrokenRanker` for a prompt that holds the model's own marks.
        """
        return [self._question(*pair) for pair in zip(prepared, prompts, strict=True)]

    def _question(self, patches: Patches, prompt: str) -> Question:
        tokens = patches.width * patches.height // SIDE**2
        text = (
            f"{BEFORE}{PLACEHOLDER * tokens}<|vision_end|>{QUESTION.replace('{text_prompt}', prompt)}{AFTER}"
        )
        ids: list[int] = self.tokenizer(text, verbose=False)["input_ids"]
        if ids.count(self.tokens.reward) != 1 or ids.count(self.tokens.placeholder) != tokens:
            raise BrokenRanker(
                f"the prompt holds a mark of the model itself ({REWARD} or {PLACEHOLDER}), "
                "and cannot be judged"
            )
        length = len(self.tokenizer(prompt, verbose=False)["input_ids"])
        resized = f"{patches.width}x{patches.height}"
        return Question(
            ids, patches, {"prompt_tokens": length, "prompt_truncated": False, "resized": resized}
        )

    def batch(self, questions: Sequence[Question]) -> dict[str, torch.Tensor]:
        """Tokens and mask (B, L), all patches, grids (B, 3), and where each is to be answered (B,)."""
        seen = [question.patches for question in questions]
        grids = [[1, each.height // PATCH, each.width // PATCH] for each in seen]
        return {
            **self.tokens.padded([question.ids for question in questions]),
            "patches": torch.from_numpy(np.concatenate([each.values for each in seen])),
            "grids": torch.tensor(grids),
        }


def prepare(image: Image.Image) -> Patches:
    """Resize (bicubic), normalise and cut into patches, by Pillow and numpy alone.

    Raises `BrokenRanker` for an image that the authors' code refuses.
    """
    width, height = fitted(image.width, image.height)
    pixels = normalized_pixels(image.resize((width, height), Image.Resampling.BICUBIC))
    return Patches(patches(pixels), width, height)


def fitted(width: int, height: int) -> tuple[int, int]:
    """Width and height in multiples of 28 with about `PIXELS` pixels.

    Below it when the rounded image has more, else above.
    """
    if max(width, height) > MAX_RATIO * min(width, height):
        raise BrokenRanker(
            f"an image of {width}x{height} is too narrow: "
            f"its sides differ by more than a factor of {MAX_RATIO}"
        )
    rounded = max(SIDE, round(width / SIDE) * SIDE) * max(SIDE, round(height / SIDE) * SIDE)
    if rounded == PIXELS:
        return max(SIDE, round(width / SIDE) * SIDE), max(SIDE, round(height / SIDE) * SIDE)
    if rounded > PIXELS:
        shrink = math.sqrt(width * height / PIXELS)
        return math.floor(width / shrink / SIDE) * SIDE, math.floor(height / shrink / SIDE) * SIDE
    grow = math.sqrt(PIXELS / (width * height))
    return math.ceil(width * grow / SIDE) * SIDE, math.ceil(height * grow / SIDE) * SIDE


def patches(pixels_CHW: NDArray[np.float32]) -> NDArray[np.float32]:
    """(P, 1176): patches of 14 x 14, two by two together, each twice: the model expects two video frames."""
    channels, height, width = pixels_CHW.shape
    grid = pixels_CHW.reshape(channels, height // SIDE, 2, PATCH, width // SIDE, 2, PATCH)
    grid = grid.transpose(1, 4, 2, 5, 0, 3, 6)[:, :, :, :, :, None]
    return np.repeat(grid, 2, axis=5).reshape(-1, channels * 2 * PATCH * PATCH)
