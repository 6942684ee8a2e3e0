"""`cost` and `cached`: calls, tokens and seconds of a group, with a server that answers at once."""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import rankkit
from benchmarks.judge.server import answering
from benchmarks.judge.simulated import SIZES
from benchmarks.record import spread
from rankkit.core import aggregate


def cost() -> dict[str, Any]:
    """Calls and tokens of a group of 512 × 512 images.

    Image tokens are exact (32 or 28 pixels a side), text is characters / 4.
    """
    from rankkit_vlm_judge import questions
    from rankkit_vlm_judge.images import EncodedImage

    image = EncodedImage(Image.new("RGB", (512, 512)), 768)
    asked = questions.which_is_better(
        "a photograph of two red apples on a wooden table beside a window", image, image
    )
    words = [
        asked.system,
        *(part for part in asked.parts if isinstance(part, str)),
        asked.ending(questions.FORCED),
    ]
    text = math.ceil(sum(map(len, words)) / 4)
    sides = {"Qwen3-VL": 32, "Qwen2.5-VL": 28}
    found = []
    for n in SIZES:
        calls = 2 * len(aggregate.schedule(n))
        tokens = {name: calls * (2 * round(512 / side) ** 2 + text + 1) for name, side in sides.items()}
        found.append({"K": n, "calls": calls, "tokens": tokens})
        print(json.dumps(found[-1]), flush=True)
    return {"text tokens a call (estimate)": text, "rows": found}


def cached() -> dict[str, Any]:
    """Seconds to rank a group anew when every verdict is in the cache, and the first time, with a server that
    answers at once.
    """
    found = []
    with answering() as url, tempfile.TemporaryDirectory() as folder:
        for n in SIZES:
            rng = np.random.default_rng(n)
            images = tuple(
                Image.fromarray(rng.integers(0, 255, (512, 512, 3), dtype=np.uint8)) for _ in range(n)
            )
            group = rankkit.Group("a prompt", images)
            judge = rankkit.load("vlm-judge", url=url, model="fake", cache=str(Path(folder, f"{n}.sqlite")))
            seconds = [_seconds(lambda group=group, judge=judge: judge.rank([group])) for _ in range(6)]
            again = seconds[1:]
            row = {
                "K": n,
                "calls": 2 * len(aggregate.schedule(n)),
                "first": round(seconds[0], 3),
            }
            found.append({**row, **spread(again)})
            print(json.dumps(found[-1]), flush=True)
    return {"pictures": "512 x 512 noise", "rows": found}


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
