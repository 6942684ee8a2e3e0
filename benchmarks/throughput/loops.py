"""A published ranker beside its own loop: `pickscore | hpsv2`, and `-full`; `imagereward-full`.

A folder of images, four to a prompt, and its rows: by `rankkit score`, and by the loop of PickScore's README,
or by the packages of HPSv2 and ImageReward, each in an environment of its own (`rankkit install
hpsv2-official` makes it), in a process that has them loaded. Weights are drawn: of ViT-B/32's size,
or with `-full` of the published one (ViT-H/14, 4 GiB; BLIP large, 2 GiB, the only one its package knows).
Both read the same files, models are loaded once, torch has as many threads, the two alternate. Beside
seconds by the clock stand those of the CPU, which other work on the machine disturbs less.

As published, `hpsv2.score` reads its checkpoint again for every prompt, and the prompt again for every image.
PickScore's processor is today's default, by torchvision, and ours Pillow's: how far scores differ stands in
the row.
"""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rankkit
from benchmarks.record import spread
from benchmarks.throughput import packages
from benchmarks.throughput.beside import Beside, Groups
from benchmarks.throughput.images import alternating, soft_images
from rankkit.core.memory import keep_freed_memory
from rankkit.io.prompts import survey
from rankkit.plugin import prepare, read_rows
from rankkit.scoring import engine

WORK = packages.WORK
EACH = 4  # images of a prompt


def measure(work: str, count: int, rounds: int) -> dict[str, Any]:
    """Seconds for `count` images of 512 x 512, JPEG, and how many times as fast as the loop ours is."""
    import torch

    with tempfile.TemporaryDirectory(prefix="rankkit-benchmark-") as name, contextlib.ExitStack() as stack:
        place = Path(name)
        soft_images(place / "in", count, 512)
        groups = _groups(sorted((place / "in").iterdir()))
        beside: Beside = stack.enter_context(packages.beside(work, place))
        keep_freed_memory()  # as the command does
        ranker = rankkit.load(beside.ranker, **beside.options)
        scores: dict[str, list[float]] = {}
        spent: dict[str, list[float]] = {"loop": [], "rankkit": []}

        def ours() -> None:
            start = time.process_time()
            scores["rankkit"] = _rows(place, beside, ranker)
            spent["rankkit"].append(time.process_time() - start)

        def loop() -> None:
            scores["loop"], seconds = beside.loop(groups)
            spent["loop"].append(seconds)

        runs: dict[str, Callable[[], object]] = {"loop": loop, "rankkit": ours}
        seconds = alternating(runs, rounds)
        furthest = max(abs(a - b) for a, b in zip(scores["loop"], scores["rankkit"], strict=True))
        assert furthest < beside.near, furthest
    spent = {name: each[1:] for name, each in spent.items()}  # the first round does not count
    return {
        "model": work, "images": count, "prompts": len(groups), **beside.about,
        "torch threads": torch.get_num_threads(), "largest difference": furthest,
        "seconds": {name: spread(each) for name, each in seconds.items()},
        "CPU seconds": {name: spread(each) for name, each in spent.items()},
        "times as fast": _times(seconds), "times as fast, CPU": _times(spent),
    }  # fmt: skip


def _groups(paths: list[Path]) -> Groups:
    """Images with their prompts, which are written beside them."""
    groups: Groups = []
    for start in range(0, len(paths), EACH):
        groups.append((f"a red fox number {start // EACH}", paths[start : start + EACH]))
        for path in groups[-1][1]:
            path.with_suffix(".txt").write_text(groups[-1][0], "utf-8")
    return groups


def _rows(place: Path, beside: Beside, ranker: rankkit.Ranker) -> list[float]:
    """What `rankkit score` does, but for loading the weights; scores in the order of the images' names."""
    known = dataclasses.replace(prepare(beside.ranker, **beside.options), load=lambda: ranker)
    engine.score(survey([place / "in"]), [known], place / "rows.jsonl", overwrite=True)
    rows = sorted(read_rows(place / "rows.jsonl"), key=lambda row: str(row["image"]))
    return [float(row["score"] or 0) for row in rows]


def _times(seconds: dict[str, list[float]]) -> float:
    pairs = zip(seconds["loop"], seconds["rankkit"], strict=True)
    return round(statistics.median(loop / ours for loop, ours in pairs), 2)
