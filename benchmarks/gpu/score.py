"""`score`: images per second of the learned rankers, from PIL images to numbers."""

from __future__ import annotations

import json
import math
import statistics
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.gpu.measure import PROMPT, forget, peak, repeated
from benchmarks.gpu.rankers import HALF, loaded
from rankkit import Group


def images(count: int, side: int) -> tuple[Image.Image, ...]:
    """Smooth random images."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (count, 16, 16, 3), np.uint8)
    return tuple(Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC) for one in small)


def score(name: str, tiny: bool = False) -> dict[str, Any]:
    """Images per second of `rank` on one group, median of `ROUNDS` after a first; peak memory of the GPU,
    weights included.
    """
    count, side = (4, 64) if tiny else (128, 512)
    group, rows = Group(PROMPT, images(count, side)), []
    for dtype in ("float32",) if tiny else HALF.get(name, ("float32", "bfloat16")):
        forget()
        with loaded(name, tiny=tiny, dtype=dtype) as ranker:
            seconds = repeated(partial(ranker.rank, [group]))
            (ranking,) = ranker.rank([group])
        del ranker
        assert all(map(math.isfinite, ranking.scores)), (name, dtype, ranking)
        rates = sorted(count / each for each in seconds)
        rows.append({
            "ranker": name, "dtype": dtype, "pictures per second": round(statistics.median(rates), 1),
            "least": round(rates[0], 1), "most": round(rates[-1], 1), "n": len(rates), "peak MiB": peak(),
        })  # fmt: skip
        print(json.dumps(rows[-1]), flush=True)
    return {"pictures": count, "side": side, "rows": rows}
