"""What the tests of `rankkit fit` share: images of a coloured disc, and a person whose taste is known."""

import json
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw


def discs(folder: Path, count: int = 24, seed: int = 0) -> dict[str, float]:
    """Images of a disc each: by their paths, from the folder above, how warm and how far left they are."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    liked = {}
    for number in range(count):
        ground, disc = (tuple(rng.integers(low, 256, 3).tolist()) for low in (150, 0))
        x, y = rng.uniform(10, 38, 2)
        image = Image.new("RGB", (48, 48), ground)
        ImageDraw.Draw(image).ellipse((x - 7, y - 7, x + 7, y + 7), fill=disc)
        image.save(folder / f"{number}.png")
        liked[f"{folder.name}/{number}.png"] = (ground[0] - ground[2]) / 40 - (x - 24) / 6
    return liked


def answer(
    file: Path, liked: dict[str, float], count: int = 120, *, sure: float = 1.0, seed: int = 0, **fields
) -> list[dict]:
    """Append answers about random pairs: the better liked image with the odds exp(sure * difference)."""
    rng = np.random.default_rng(seed)
    names, records = list(liked), []
    for number in range(count):
        a, b = (names[i] for i in rng.choice(len(names), 2, replace=False))
        first = rng.random() < (1 + math.tanh(sure * (liked[a] - liked[b]) / 2)) / 2
        place = int(rng.integers(2))
        records.append(
            {
                **{"question": f"{file.stem}{seed}-{number}", "prompt": "a disc", "image_a": a, "image_b": b},
                **{
                    "choice": "a" if first else "b",
                    "who": "ada",
                    "at": "2026-01-01T00:00:00Z",
                    "seconds": 1.0,
                },
                **{"place_a": place, "place_b": 1 - place, "pick": "random"},
                **{key: value(number) if callable(value) else value for key, value in fields.items()},
            }
        )
    with open(file, "a") as out:
        out.writelines(json.dumps(record) + "\n" for record in records)
    return records
