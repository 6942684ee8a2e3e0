"""How far scores move when images are resized on the device: `python -m benchmarks.prepare`.

`prepare=gpu` against Pillow, by each ranker that has the option, with tiny weights drawn by name, on 200
crops of the two photographs that scikit-learn ships, from 64 pixels to the whole. On whatever device there
is; what runs is the same. Needs scikit-learn and the plugins.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import rankkit
from benchmarks.record import record

NAMES = ("clip", "pickscore", "aesthetic", "imagereward")
PLUGINS = Path(__file__).parents[1] / "plugins"
COUNT, SMALLEST = 200, 64  # crops, and pixels of their sides at least


def photographs() -> list[Image.Image]:
    """Crops of two photographs (640 x 427), of every size and shape, the same every time."""
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(0)
    found = []
    for number in range(COUNT):
        image = load_sample_images().images[number % 2]
        high, wide = (int(rng.integers(SMALLEST, length + 1)) for length in image.shape[:2])
        top, left = (
            int(rng.integers(0, length - side + 1))
            for length, side in zip(image.shape[:2], (high, wide), strict=True)
        )
        found.append(Image.fromarray(image[top : top + high, left : left + wide]))
    return found


def measure(name: str, images: list[Image.Image]) -> dict[str, Any]:
    """Differences of one ranker's scores in units of their spread, and Kendall's tau of the orders."""
    from rankkit_torch import pick_device
    from rankkit_torch.golden import tau

    sys.path.insert(0, str(PLUGINS / name / "tests"))
    case = importlib.import_module(f"tiny_{name}")
    group = rankkit.Group("a red flower before a temple", tuple(images))
    with tempfile.TemporaryDirectory(prefix="rankkit-benchmark-") as folder:
        options = case.checkpoint(Path(folder))
        pillow, device = (
            np.array(rankkit.load(name, **options, prepare=prepare).rank([group])[0].scores)
            for prepare in ("pil", "gpu")
        )
    moved = np.abs(device - pillow) / pillow.std()
    return {
        "ranker": name,
        "images": len(images),
        "weights": "tiny, drawn",
        "device": str(pick_device()),
        "largest, of the spread": float(f"{moved.max():.2g}"),
        "mean, of the spread": float(f"{moved.mean():.2g}"),
        "tau": round(tau(pillow.tolist(), device.tolist()), 4),
    }


if __name__ == "__main__":
    shown = photographs()
    for ranker in NAMES:
        print(record("prepare", "prepare", "python -m benchmarks.prepare", lambda: measure(ranker, shown)))  # noqa: B023
