"""A published ranker beside the loop that its README shows: `pickscore | pickscore-full`.

A folder of images, four to a prompt, and its rows: by `rankkit score`, and by the loop of PickScore's README,
which prepares and scores prompt by prompt. Weights are drawn: of ViT-B/32's size, or with `-full` of the
published ViT-H/14's (4 GiB). Both read the same files, models are loaded once, the two alternate. The loop's
processor is today's default, by torchvision, and ours Pillow's: how far scores differ stands in the row.
"""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

import rankkit
from benchmarks.record import spread
from benchmarks.throughput.images import alternating, soft_images
from benchmarks.throughput.models import checkpoint
from rankkit.io.prompts import survey
from rankkit.plugin import prepare, read_rows
from rankkit.scoring import engine

WORK = ("pickscore", "pickscore-full")
EACH = 4  # images of a prompt


def measure(work: str, count: int, rounds: int) -> dict[str, Any]:
    """Seconds for `count` images of 512 x 512, JPEG, and how many times as fast as the loop ours is."""
    import torch
    from transformers import AutoProcessor, CLIPModel

    with tempfile.TemporaryDirectory(prefix="rankkit-benchmark-") as name:
        place = Path(name)
        soft_images(place / "in", count, 512)
        paths = sorted((place / "in").iterdir())
        prompts = {path: f"a red fox number {i // EACH}" for i, path in enumerate(paths)}
        for path, prompt in prompts.items():
            path.with_suffix(".txt").write_text(prompt, "utf-8")
        folder = str(checkpoint(place / "clip", "huge" if work.endswith("full") else "base"))
        ranker = rankkit.load("pickscore", checkpoint=folder, device="cpu")
        model: Any = CLIPModel.from_pretrained(folder).eval()
        processor: Any = AutoProcessor.from_pretrained(folder)
        scores: dict[str, dict[str, float]] = {}

        def ours() -> None:
            known = dataclasses.replace(prepare("pickscore", checkpoint=folder), load=lambda: ranker)
            engine.score(survey([place / "in"]), [known], place / "rows.jsonl", overwrite=True)
            rows = read_rows(place / "rows.jsonl")
            scores["rankkit"] = {Path(row["image"]).name: float(row["score"] or 0) for row in rows}

        def loop() -> None:
            scores["loop"] = {}
            for start in range(0, count, EACH):
                some = paths[start : start + EACH]
                images = [Image.open(path) for path in some]
                each = _by_readme(model, processor, prompts[some[0]], images)
                scores["loop"] |= {path.name: score for path, score in zip(some, each, strict=True)}

        runs: dict[str, Callable[[], object]] = {"loop": loop, "rankkit": ours}
        seconds = alternating(runs, rounds)
        furthest = max(abs(scores["loop"][name] - score) for name, score in scores["rankkit"].items())
        assert furthest < 0.05, furthest
    faster = [a / b for a, b in zip(seconds["loop"], seconds["rankkit"], strict=True)]
    return {
        "model": work, "images": count, "prompts": len(set(prompts.values())),
        "torch threads": torch.get_num_threads(), "largest difference": furthest,
        "seconds": {name: spread(each) for name, each in seconds.items()},
        "times as fast": round(statistics.median(faster), 2),
    }  # fmt: skip


def _by_readme(model: Any, processor: Any, prompt: str, images: list[Image.Image]) -> list[float]:
    """Scores of the images of one prompt, in the steps that PickScore's README shows."""
    import torch

    options = {"padding": True, "truncation": True, "max_length": 77, "return_tensors": "pt"}
    seen = processor(images=images, return_tensors="pt")
    read = processor(text=prompt, **options)
    with torch.no_grad():
        images_BD, text_1D = model.get_image_features(**seen), model.get_text_features(**read)
        images_BD, text_1D = (getattr(each, "pooler_output", each) for each in (images_BD, text_1D))
        images_BD = images_BD / torch.norm(images_BD, dim=-1, keepdim=True)
        text_1D = text_1D / torch.norm(text_1D, dim=-1, keepdim=True)
        found: list[float] = (model.logit_scale.exp() * (text_1D @ images_BD.T)[0]).tolist()
        return found
