"""What the models cost on a GPU: `python -m benchmarks.gpu all | headline | train | score | drift`, rows of
`results/gpu.jsonl`.

Weights are drawn at random in the published architectures, at full size: the figures say how long and how
much memory, and nothing of quality. `headline`: one update with a ranker of HPSv3's size, by DrPO, by a
reward gradient (DRaFT), and as DrPO's authors published it. `train`: seconds and memory of the trainer's own
update, by phase. `score`: images per second of the learned rankers, from PIL images to numbers. `drift`: the
loss with its gradient, where the points are many. `all`: these, the most important first, each row recorded
as soon as it is there, and what would begin in the last of its `--minutes` left out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import torch

from benchmarks.gpu.drift import drift
from benchmarks.gpu.headline import headline
from benchmarks.gpu.rankers import RANKERS
from benchmarks.gpu.score import score
from benchmarks.gpu.train import CELLS, train
from benchmarks.record import RESULTS, record
from drpo.choices import Field

MEASURES: dict[str, tuple[Callable[[Any, bool], dict[str, Any]], Collection[str]]] = {
    "headline": (headline, ("hpsv3",)), "train": (train, CELLS), "score": (score, RANKERS),
    "drift": (drift, get_args(Field)),
}  # fmt: skip
ORDER = ("headline hpsv3", "train sd_turbo", "score clip", "score pickscore", "score aesthetic",
         "score hpsv2", "score imagereward", "drift official", "score hpsv3", "drift masked")  # fmt: skip
LAST = 90  # seconds that a measurement may take, weights included


def measured(measure: Callable[[Any, bool], dict[str, Any]], name: str, tiny: bool) -> dict[str, Any]:
    """What one measurement found, and on which card."""
    card = "none: a rehearsal" if tiny else torch.cuda.get_device_name()
    return {"gpu": card, "torch": torch.__version__, **measure(name, tiny)}


def jobs(what: str, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """What is measured, and of whom, in order."""
    if what == "all":
        yield from (tuple(job.split()) for job in ORDER)  # type: ignore[misc]
    else:
        yield from ((what, name) for name in names or MEASURES[what][1])


def main(arguments: list[str] | None = None) -> int:
    """Measure, a row per ranker, recipe or field as soon as it is there; what fails is said, and the others
    go on.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("all", *MEASURES))
    parser.add_argument("names", nargs="*", help="rankers, recipes, or fields; all if none is named")
    parser.add_argument("--minutes", type=float, default=9.0, help="for `all`, and those of drawing weights")
    parser.add_argument("--tiny", action="store_true", help="a rehearsal with tiny models on the CPU")
    parser.add_argument("--results", type=Path, help="where rows go in place of results/")
    given = parser.parse_args(arguments)
    known = MEASURES[given.what][1] if given.what != "all" else ()
    if unknown := [name for name in given.names if name not in known]:
        parser.error(f"{given.what} does not know {', '.join(unknown)}")
    if not torch.cuda.is_available() and not given.tiny:
        print("torch sees no GPU here; --tiny rehearses without one", file=sys.stderr)
        return 1
    folder = given.results or (Path(tempfile.mkdtemp()) if given.tiny else RESULTS)
    end, failed = time.monotonic() + 60 * given.minutes, 0
    for what, name in jobs(given.what, given.names):
        if given.what == "all" and time.monotonic() > end - LAST and not given.tiny:
            print(f"{what} {name}: left out, the time is over", file=sys.stderr)
            continue
        command = f"python -m benchmarks.gpu {what} {name}"
        try:
            record(
                "gpu", f"gpu-{what}", command, partial(measured, MEASURES[what][0], name, given.tiny), folder
            )
        except Exception as error:
            failed += 1
            print(f"{what} {name} failed: {type(error).__name__}: {error}", file=sys.stderr)
    print(f"rows are in {folder / 'gpu.jsonl'}", file=sys.stderr)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
