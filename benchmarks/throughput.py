"""How long a model waits for images: `python -m benchmarks.throughput tiny | base | elsewhere`.

Images on disk to rows by `clip`, in two stages and in one (prepared where they are scored, as before there
were two), against the bare forward pass on tensors prepared beforehand. Weights are drawn: speed does not
depend on them. `elsewhere` stands for a model on a device of its own: it sees 224 x 224 pixels and takes 8 ms
an image without using a core. The three alternate, the model is loaded once; each run appends a row to
`results/throughput.jsonl`. Needs rankkit-clip.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import rankkit
from benchmarks.record import record, spread
from rankkit.io.prompts import survey
from rankkit.plugin import map_images, prepare
from rankkit.scoring import engine

PROMPT = "a red fox"
BATCH = 32


class OneStage(rankkit.Pointwise):
    """A ranker in two stages as one: a batch is prepared, then scored, then the next is prepared."""

    def __init__(self, ranker: Any) -> None:
        self.ranker = ranker

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> list[Any]:
        """Scores batch by batch."""
        found: list[Any] = []
        for start in range(0, len(images), BATCH):
            prepared = map_images(self.ranker.prepare, images[start : start + BATCH])
            found += self.ranker.score(prepared, prompts[start : start + BATCH])()
        return found


class Elsewhere(rankkit.Pointwise):
    """A model that computes elsewhere."""

    batch_size = BATCH

    def prepare(self, image: Image.Image) -> Any:
        """As CLIP sees it."""
        from rankkit_torch import cropped_pixels

        return cropped_pixels(image, 224)

    def score(self, prepared: Sequence[Any], prompts: Sequence[str]) -> Callable[[], list[float]]:
        """The mean of the pixels, which comes when the device is done."""
        from rankkit_torch import stacked

        means = stacked(prepared).mean((1, 2, 3)).tolist()

        def answers() -> list[float]:
            time.sleep(0.008 * len(prepared))
            return means

        return answers


def measure(size: str, count: int, rounds: int) -> dict[str, Any]:
    """Seconds for `count` images of 512 x 512, JPEG, under one prompt."""
    import torch

    with tempfile.TemporaryDirectory(prefix="rankkit-benchmark-") as name:
        place = Path(name)
        _jpegs(place / "in", count)
        options = {"checkpoint": str(_checkpoint(place / "clip", size)), "batch_size": BATCH, "device": "cpu"}
        ranker: Any = Elsewhere() if size == "elsewhere" else rankkit.load("clip", **options)
        prepared = map_images(ranker.prepare, [Image.open(path) for path in sorted((place / "in").iterdir())])

        def bare() -> None:
            for start in range(0, count, BATCH):
                ranker.score(
                    prepared[start : start + BATCH], [PROMPT] * len(prepared[start : start + BATCH])
                )()

        runs: dict[str, Callable[[], object]] = {
            "bare forward": bare,
            "two stages": lambda: _rows(place, ranker, options),
            "one stage": lambda: _rows(place, OneStage(ranker), options),
        }
        seconds = _alternating(runs, rounds)
    middle = {name: statistics.median(each) for name, each in seconds.items()}
    return {
        "model": size,
        "images": count,
        "torch threads": torch.get_num_threads(),
        "seconds": {name: spread(each) for name, each in seconds.items()},
        "images a second": {name: round(count / value, 1) for name, value in middle.items()},
        "times the bare forward": {
            name: round(middle[name] / middle["bare forward"], 2) for name in ("two stages", "one stage")
        },
    }


def _rows(place: Path, ranker: rankkit.Ranker, options: dict[str, Any]) -> None:
    """What `rankkit score` does, but for loading the weights."""
    known = dataclasses.replace(prepare("clip", **options), load=lambda: ranker)
    outcome = engine.score(
        survey([place / "in"]), [known], place / "rows.jsonl", prompt=PROMPT, overwrite=True
    )
    assert not outcome.abstained, outcome.reasons


def _alternating(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each, round by round, after one of each that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if round_:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def _checkpoint(folder: Path, size: str) -> Path:
    """A CLIP with drawn weights: of two layers that sees 28 x 28 pixels, or ViT-B/32 that sees 224 x 224."""
    from rankkit_torch.testing import clip_folder, tiny_clip_config

    config = tiny_clip_config()
    if size == "base":
        config.vision_config = type(config.vision_config)()  # its defaults are those of ViT-B/32
        config.projection_dim = 512
    return clip_folder(folder, config)


def _jpegs(folder: Path, count: int, side: int = 512) -> None:
    """Images of soft colours with some grain, no two alike."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        soft = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((side, side))
        pixels = np.asarray(soft) + rng.normal(0, 6, (side, side, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i:04}.jpg", quality=90)


def main() -> None:
    """Measure the model that is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("model", choices=["tiny", "base", "elsewhere"])
    parser.add_argument("--images", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    command = f"python -m benchmarks.throughput {given.model} --images {given.images} --rounds {given.rounds}"
    measured = record(
        "throughput", "throughput", command, lambda: measure(given.model, given.images, given.rounds)
    )
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
