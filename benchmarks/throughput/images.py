"""Images to be scored, and runs that take turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def soft_images(folder: Path, count: int, side: int, suffix: str = ".jpg") -> None:
    """Images of soft colours with some grain, no two alike."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        soft = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((side, side))
        pixels = np.asarray(soft) + rng.normal(0, 6, (side, side, 3))
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        image.save(folder / f"{i:05}{suffix}", quality=90)


def alternating(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each, round by round, after one of each that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if round_:
                seconds[name].append(time.perf_counter() - start)
    return seconds
