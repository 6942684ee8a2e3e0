"""What the models cost on a GPU: `python -m benchmarks.gpu score | train | drift`, rows of
`results/gpu.jsonl`.

Weights are drawn at random in the published architectures, at full size: the figures say how long and how
much memory, and nothing of quality. `score`: images per second of the learned rankers, from PIL images to
numbers. `train`: seconds and memory of the trainer's own update, by phase. `drift`: the loss with its
gradient, where the points are many.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, get_args

import torch

from benchmarks.gpu.drift import drift
from benchmarks.gpu.rankers import RANKERS
from benchmarks.gpu.score import score
from benchmarks.gpu.train import CELLS, train
from benchmarks.record import record
from drpo.choices import Field

MEASURES: dict[str, tuple[Callable[[Any], dict[str, Any]], Collection[str]]] = {
    "score": (score, RANKERS), "train": (train, CELLS), "drift": (drift, get_args(Field))
}  # fmt: skip


def measured(measure: Callable[[Any], dict[str, Any]], name: str) -> dict[str, Any]:
    """What one measurement found, and on which card."""
    return {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, **measure(name)}


def main() -> int:
    """Measure, a row per ranker, recipe or field as soon as it is there."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=MEASURES)
    parser.add_argument("names", nargs="*", help="rankers, recipes, or fields; all if none is named")
    given = parser.parse_args()
    measure, known = MEASURES[given.what]
    if unknown := [name for name in given.names if name not in known]:
        parser.error(f"{given.what} does not know {', '.join(unknown)}")
    if not torch.cuda.is_available():
        print("torch sees no GPU here; this measures nothing else", file=sys.stderr)
        return 1
    for name in given.names or known:
        record(
            "gpu",
            f"gpu-{given.what}",
            f"python -m benchmarks.gpu {given.what} {name}",
            partial(measured, measure, name),
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
