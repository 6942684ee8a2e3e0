"""`drift`: the loss with its gradient, where the points are many."""

from __future__ import annotations

import json
import statistics
from functools import partial
from typing import Any

import torch

from benchmarks.drift_memory import DIMENSIONS, SIZES, drawn, work
from benchmarks.gpu.measure import repeated
from drpo.choices import Field


def drift(field: Field) -> dict[str, Any]:
    """Milliseconds and mebibytes beyond the inputs of the loss with its gradient, as
    `benchmarks.drift_memory` has it on a CPU.
    """
    rows: list[dict[str, Any]] = []
    for points in SIZES:
        sets = drawn(points, "cuda")
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        times = [1000 * each for each in repeated(partial(work, sets, field))]
        rows.append(
            {
                "field": field,
                "points": points,
                "ms": round(statistics.median(times), 1),
                "least": round(min(times), 1),
                "most": round(max(times), 1),
                ("peak MiB beyond"): round((torch.cuda.max_memory_allocated() - before) / 2**20),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return {"dimensions": DIMENSIONS, "rows": rows}
