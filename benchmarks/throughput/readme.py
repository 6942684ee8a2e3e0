"""The loop that PickScore's README shows, prompt by prompt."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.throughput.beside import Beside, Groups
from benchmarks.throughput.models import checkpoint

WORK = ("pickscore", "pickscore-full")


@contextlib.contextmanager
def beside(work: str, place: Path) -> Iterator[Beside]:
    """The loop, with its model loaded in this process."""
    from transformers import AutoProcessor, CLIPModel

    folder = str(checkpoint(place / "clip", "huge" if work.endswith("full") else "base"))
    model: Any = CLIPModel.from_pretrained(folder).eval()
    processor: Any = AutoProcessor.from_pretrained(folder)

    def loop(groups: Groups) -> tuple[list[float], float]:
        scores: list[float] = []
        start = time.process_time()
        for prompt, paths in groups:
            scores += _scores(model, processor, prompt, [Image.open(path) for path in paths])
        return scores, time.process_time() - start

    yield Beside("pickscore", {"checkpoint": folder, "device": "cpu"}, loop, 0.05, {})


def _scores(model: Any, processor: Any, prompt: str, images: list[Image.Image]) -> list[float]:
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
