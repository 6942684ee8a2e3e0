"""What the drift costs where the points are many: `python -m benchmarks.drift_memory`.

One call of `drpo.drift.drift_loss` with its gradient, in the authors' settings (laplacian, three radii,
official field), on N generated points of 1280 dimensions with N/3 positives and N/3 negatives, the shares
that 24 candidates with 8 + 8 anchors give. Every size runs in a process of its own; memory is the growth of
its peak resident size over what it held with the inputs made. Appends one row to `results/drift.jsonl`.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from typing import Any

import torch

from benchmarks.record import record
from drpo.drift import Field, drift_loss

SIZES, DIMENSIONS, RADII = (1024, 4096, 16384), 1280, (0.02, 0.05, 0.2)
UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


def once(points: int) -> dict[str, Any]:
    """Peak mebibytes beyond the inputs and seconds of one loss with its gradient."""
    sets = drawn(points)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    work(sets)
    seconds = time.perf_counter() - start
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * UNIT / 2**20
    inputs = 4 * DIMENSIONS * (points + 2 * (points // 3)) / 2**20
    return {
        "points": points,
        "inputs MiB": round(inputs),
        "peak MiB beyond": round(peak),
        "seconds": round(seconds, 1),
    }


def drawn(points: int, device: str = "cpu") -> list[torch.Tensor]:
    """Generated, positive and negative points, seeded; the first with a gradient."""
    rng = torch.Generator(device).manual_seed(0)
    sets = [
        torch.randn(1, count, DIMENSIONS, generator=rng, device=device)
        for count in (points, points // 3, points // 3)
    ]
    sets[0].requires_grad_()
    return sets


def work(sets: list[torch.Tensor], field: Field = "official") -> None:
    """One loss with its gradient."""
    loss, _ = drift_loss(*sets, positive_weight=3000.0, negative_weight=3000.0, radii=RADII, field=field)
    (gradient,) = torch.autograd.grad(loss.sum(), sets[0])
    assert loss.isfinite().all() and gradient.isfinite().all()


def measure() -> dict[str, Any]:
    """Every size, one after another."""
    rows = []
    for points in SIZES:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.drift_memory", str(points)],
            check=True,
            capture_output=True,
            text=True,
        )
        rows.append(json.loads(done.stdout))
    return {
        "dimensions": DIMENSIONS,
        "radii": RADII,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "rows": rows,
    }


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(once(int(sys.argv[1]))))
    else:
        for each in record("drift", "drift", "python -m benchmarks.drift_memory", measure)["rows"]:
            print(
                f"{each['points']:>6} points  {each['peak MiB beyond']} MiB beyond {each['inputs MiB']} of "
                f"inputs  {each['seconds']} s"
            )
