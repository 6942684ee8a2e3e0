"""Images to score, made in a folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image


def small_images(folder: Path, count: int) -> None:
    folder.mkdir()
    with open(folder / "list.jsonl", "w") as manifest:
        for i in range(count):
            Image.new("RGB", (32, 32), (i % 256, i // 256 % 256, 99)).save(
                folder / f"{i:05}.png", compress_level=1
            )
            manifest.write(
                json.dumps({"image": f"{i:05}.png", "prompt": f"a red fox number {i} in the snow"}) + "\n"
            )


def jpegs(folder: Path, count: int, side: int = 512, seed: int = 0) -> int:
    """Images of soft colours with some grain, no two alike. Returns how many bytes they are."""
    folder.mkdir(parents=True)
    random_ = np.random.default_rng(seed)
    grain = random_.normal(0, 6, (side, side, 3)).astype(np.int16)
    size = 0
    for i in range(count):
        soft = Image.fromarray(random_.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize(
            (side, side), Image.Resampling.BICUBIC
        )
        pixels = np.clip(np.asarray(soft) + np.roll(grain, i, (0, 1)), 0, 255).astype(np.uint8)
        path = folder / f"{i:05}.jpg"
        Image.fromarray(pixels).save(path, quality=90)
        size += path.stat().st_size
    return size
