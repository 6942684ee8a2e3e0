"""What it costs to rank elsewhere: `python -m benchmarks.overhead`.

Sixteen images of 512 × 512 in one group, ranked in this process, through `Pipe` and through `Http`, in turn;
the ranker does next to nothing, so that what is left is the way there and back. A real worker and a real
server, both on this machine. Appends one row to `results/overhead.jsonl`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import rankkit
from benchmarks.record import record, spread
from benchmarks.serving.server import serving
from rankkit.remote.rankers import Http, Pipe

IMAGES, SIDE = 16, 512
MODULE = """\
import rankkit


@rankkit.pointwise
def corner(image):
    \"\"\"Prefer images with a bright corner.\"\"\"
    return float(image.getpixel((0, 0))[0])
"""


def measure(rounds: int = 31, warm: int = 3) -> dict[str, Any]:
    """Milliseconds of one `rank` each way, alternating, and what Pipe and Http add; the scores are checked to
    be the same.
    """
    rng = np.random.default_rng(0)
    images = tuple(
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)) for _ in range(IMAGES)
    )
    groups = [rankkit.Group("an image", images)]
    with tempfile.TemporaryDirectory(prefix="rankkit-benchmark-") as place, contextlib.ExitStack() as stack:
        os.chdir(place)
        Path("corner.py").write_text(MODULE, "utf-8")
        rankers: dict[str, Any] = {
            "in process": rankkit.load_here("corner:corner"),
            "Pipe": stack.enter_context(
                Pipe([sys.executable, "-m", "rankkit.serving.pipe", "corner:corner"], name="corner")
            ),
            "Http": stack.enter_context(Http(stack.enter_context(serving("corner:corner")))),
        }
        times: dict[str, list[float]] = {name: [] for name in rankers}
        for turn in range(warm + rounds):
            for name, ranker in rankers.items():
                seconds, rankings = _timed(lambda ranker=ranker: ranker.rank(groups))  # type: ignore[misc]
                assert rankings == rankers["in process"].rank(groups), name
                if turn >= warm:
                    times[name].append(1000 * seconds)
        os.chdir("/")
    here = times["in process"]
    added = {
        name: spread([a - b for a, b in zip(times[name], here, strict=True)]) for name in ("Pipe", "Http")
    }
    return {
        "images": IMAGES, "side": SIDE, "bytes": 3 * IMAGES * SIDE**2,
        "ms": {name: spread(each) for name, each in times.items()}, "added ms": added,
    }  # fmt: skip


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


if __name__ == "__main__":
    row = record("overhead", "overhead", "python -m benchmarks.overhead", measure)
    for name, each in row["ms"].items():
        more = f", {row['added ms'][name]['median']:.1f} ms more" if name in row["added ms"] else ""
        print(
            f"{name:<10}  {each['median']:.1f} ms ({each['min']:.1f}–{each['max']:.1f}, n={each['n']}){more}"
        )
