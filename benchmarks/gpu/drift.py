"""`drift`: the loss with its gradient, where the points are many."""

from __future__ import annotations

import json
import statistics
from functools import partial
from typing import Any

from benchmarks.drift_memory import DIMENSIONS, SIZES, drawn, work
from benchmarks.gpu.measure import device, forget, peak, repeated
from drpo.choices import Field


def drift(field: Field, tiny: bool = False) -> dict[str, Any]:
    """Milliseconds and mebibytes beyond the inputs of the loss with its gradient, as
    `benchmarks.drift_memory` has it on a CPU.
    """
    rows: list[dict[str, Any]] = []
    for points in (48,) if tiny else SIZES:
        sets = drawn(points, device(tiny))
        forget()
        before = peak()
        times = [1000 * each for each in repeated(partial(work, sets, field))]
        rows.append(
            {
                "field": field,
                "points": points,
                "ms": round(statistics.median(times), 1),
                "least": round(min(times), 1),
                "most": round(max(times), 1),
                ("peak MiB beyond"): peak() - before,
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return {"dimensions": DIMENSIONS, "rows": rows}
