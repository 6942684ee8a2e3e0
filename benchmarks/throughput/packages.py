"""The loops of HPSv2's and ImageReward's packages, each in its environment, and that of PickScore's README;
each in a process that stays.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.parity import case
from benchmarks.throughput.beside import Beside, Groups
from benchmarks.throughput.models import checkpoint
from rankkit.remote import config

LOOP = Path(__file__).with_name("package_loop.py")
README = "pickscore-readme"
WORK = ("pickscore", "pickscore-full", "hpsv2", "hpsv2-full", "imagereward-full")
BASE = "ViT-B-32"  # of HPSv2's package, without -full


@contextlib.contextmanager
def beside(work: str, place: Path) -> Iterator[Beside]:
    """The loop with the same drawn weights, loaded in a process of its own."""
    import torch

    name = work.removesuffix("-full")
    if name == "pickscore":
        options = {"checkpoint": str(checkpoint(place / "clip", "base" if name == work else "huge"))}
        python, original, theirs, near = sys.executable, README, options, 0.05
    else:
        module = case(name)
        options = module.full(place, BASE) if work == "hpsv2" else module.full(place)
        python, original = _python(module.ORIGINAL), module.ORIGINAL
        theirs, near = module.original(place, **options), 1e-4
    command = [python, "-I", str(LOOP), original, json.dumps(theirs), str(torch.get_num_threads())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        about = _answer(process)

        def loop(groups: Groups) -> tuple[list[float], float]:
            asked = [[prompt, list(map(str, paths))] for prompt, paths in groups]
            assert process.stdin
            print(json.dumps(asked), file=process.stdin, flush=True)
            found = _answer(process)
            return found["scores"], found["CPU seconds"]

        yield Beside(name, {**options, "device": "cpu"}, loop, near, about)


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        sys.exit("the process of the original package ended; what it said stands above")
    found: dict[str, Any] = json.loads(line)
    return found


def _python(original: str) -> str:
    """The interpreter of the original package's environment."""
    place = config.find(original)
    if place is None or not place.command:
        sys.exit(f"{original} has no environment here; rankkit install {original} makes it")
    return place.command[0]
