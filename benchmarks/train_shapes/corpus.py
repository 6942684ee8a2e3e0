"""Batches of what the corpus, wrong on purpose, shows for prompts and noises."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from drpo.shapes.corpus import draws, scene
from drpo.shapes.render import Scene, Thing, render
from drpo.shapes.world import COLORS, SHAPES, TASKS, every_prompt, parse

VAE_BATCH, BATCH = 8, 32  # small batches: at this size many steps are worth more than large ones

VAE_BATCH, BATCH = 8, 32  # small batches: at this size many steps are worth more than large ones


def pairs(rng: np.random.Generator, size: int = BATCH) -> Iterator[tuple[list[str], Tensor, list[Scene]]]:
    """Endless batches of prompts (position, the hardest task, comes twice as often), noise (size,16,4,4), and
    the corpus' scenes.
    """
    pool = {task: list(every_prompt(task)) for task in TASKS}
    while True:
        asked = [pool[task][rng.integers(len(pool[task]))] for task in rng.choice([*TASKS, "position"], size)]
        noise = rng.standard_normal((size, 16, 4, 4), np.float32)
        yield (
            asked,
            torch.from_numpy(noise),
            [scene(parse(prompt), u) for prompt, u in zip(asked, draws(noise), strict=True)],
        )


def crowd(rng: np.random.Generator) -> Scene:
    """One to nine objects anywhere, overlapping and cut by the border."""
    spots = [
        (rng.integers(4), rng.integers(4), *rng.uniform(2, 30, 2), rng.uniform(4, 7))
        for _ in range(rng.integers(1, 10))
    ]
    return tuple(Thing(SHAPES[shape], COLORS[color], x, y, radius) for shape, color, x, y, radius in spots)


def to_tensor(scenes: list[Scene]) -> Tensor:
    """Scenes as (S,3,32,32) in [-1, 1]."""
    return torch.from_numpy(render(scenes)).permute(0, 3, 1, 2).float() / 127.5 - 1
