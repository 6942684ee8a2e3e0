"""A server of one ranker, and rankers that note how many images each call has."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

MODULE = """\
import time
import rankkit

CALLS = "calls.txt"


def noted(count):
    with open(CALLS, "a") as file:
        file.write(f"{count}\\n")


@rankkit.pointwise
def model(images):
    noted(len(images))
    time.sleep(0.010 + 0.001 * len(images))
    return [float(image.getpixel((0, 0))[0]) for image in images]


@rankkit.pointwise
def nothing(images):
    noted(len(images))
    return [float(image.getpixel((0, 0))[0]) for image in images]
"""


@contextlib.contextmanager
def serving(spec: str) -> Iterator[str]:
    """The address at which `rankkit serve` offers a ranker, a module of the current folder too."""
    command = [sys.executable, "-m", "rankkit", "serve", spec, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            yield process.stderr.readline().split(" at ")[1].split(";")[0]
        finally:
            process.terminate()
