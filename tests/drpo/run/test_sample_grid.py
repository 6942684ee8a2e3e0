"""The sheet of images before and after: the same noises above each other, few prompts, large enough to look
at.
"""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from toy_generator import ToyGenerator

from drpo.run.monitor import Monitor
from drpo.run.sample_grid import CAPTION, LABEL, sample_grid
from drpo.types import Prompt
from rankkit import Ranker


def sheet(prompts: list[str]) -> Image.Image:
    toy, none = ToyGenerator(), dict[str, Ranker]()
    toy.shift.data += torch.tensor([3.0, -3.0, -3.0])
    monitor = Monitor(none, "", [Prompt(text) for text in prompts])
    return sample_grid(monitor.base(toy), monitor.samples(toy))


def test_the_base_stands_above_what_training_made_of_the_same_noise() -> None:
    made = sheet(["a"])
    assert made.size == (LABEL + 4 * 96, CAPTION + 2 * 96)
    assert made.getpixel((LABEL + 5, CAPTION + 96 + 5)) == pytest.approx((255, 0, 0), abs=20)
    assert made.getpixel((LABEL + 5, CAPTION + 5)) != pytest.approx((255, 0, 0), abs=20)


def test_of_many_prompts_a_few_are_shown_whatever_letters_they_hold() -> None:
    assert sheet([f"a cat · 猫 {number}" for number in range(50)]).size == sheet(["a"] * 8).size
