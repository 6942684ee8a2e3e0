"""How long a model waits for images: `tiny | base | large | elsewhere`.

Images on disk to rows by `clip`, in two stages and in one (prepared where they are scored, as before there
were two), against the bare forward pass on tensors prepared beforehand. Weights are drawn: speed does not
depend on them. `elsewhere` stands for a model on a device of its own: it sees 224 x 224 pixels and takes 8 ms
an image without using a core. The three alternate, the model is loaded once. Needs rankkit-clip.
"""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

import rankkit
from benchmarks.record import spread
from benchmarks.throughput.images import alternating, soft_images
from rankkit.core.memory import keep_freed_memory
from rankkit.io.prompts import survey
from rankkit.plugin import map_images, prepare
from rankkit.scoring import engine

PROMPT = "a red fox"
BATCH = 32
SIZES = ("tiny", "base", "large", "elsewhere")
LARGER: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "base": ({}, {}, 512),  # the defaults are those of ViT-B/32
    "large": (
        {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
         "patch_size": 14},
        {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
        768,
    ),
    "huge": (
        {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 16,
         "patch_size": 14, "hidden_act": "gelu"},
        {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16},
        1024,
    ),
}  # fmt: skip


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
    """A model that computes elsewhere, batch after batch, each from when it is asked for."""

    batch_size = BATCH
    free = 0.0  # when it has computed all it was asked for

    def prepare(self, image: Image.Image) -> Any:
        """As CLIP sees it."""
        from rankkit_torch import cropped_pixels

        return cropped_pixels(image, 224)

    def score(self, prepared: Sequence[Any], prompts: Sequence[str]) -> Callable[[], list[float]]:
        """The mean of the pixels, which comes when the device is done."""
        from rankkit_torch import stacked

        means = stacked(prepared).mean((1, 2, 3)).tolist()
        self.free = done = max(self.free, time.perf_counter()) + 0.008 * len(prepared)

        def answers() -> list[float]:
            time.sleep(max(0.0, done - time.perf_counter()))
            return means

        return answers


def measure(size: str, count: int, rounds: int) -> dict[str, Any]:
    """Seconds for `count` images of 512 x 512, JPEG, under one prompt."""
    keep_freed_memory()  # as the command does
    import torch

    with tempfile.TemporaryDirectory(prefix="rankkit-benchmark-") as name:
        place = Path(name)
        soft_images(place / "in", count, 512)
        options = {"checkpoint": str(checkpoint(place / "clip", size)), "batch_size": BATCH, "device": "cpu"}
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
        seconds = alternating(runs, rounds)
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


def checkpoint(folder: Path, size: str, seed: int = 0) -> Path:
    """A CLIP with drawn weights: two layers that see 28 x 28 pixels, or, at 224 x 224, ViT-B/32,
    ViT-L/14 (`large`, that of the weights `clip` takes by itself) or ViT-H/14 (`huge`); their text
    tower is of two layers but for ViT-H's.
    """
    from rankkit_torch.testing import clip_folder, tiny_clip_config

    config = tiny_clip_config()
    if size in LARGER:
        vision, text, config.projection_dim = LARGER[size]
        config.vision_config = type(config.vision_config)(**vision)
        for name, value in text.items():
            setattr(config.text_config, name, value)
    return clip_folder(folder, config, seed)
