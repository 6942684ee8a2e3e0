"""Rankers that misbehave, for the tests of workers: copied to a folder, and named module:function from
there.
"""

import ctypes
import os
import sys
import time
from pathlib import Path

import rankkit

LOUD = os.environ.get("RANKKIT_TEST_LOUD")
if LOUD:
    print("a library prints at import")


@rankkit.pointwise
def noisy(image):
    """Prints with Python, with C and with a subprocess, and asks a question."""
    print("Loading checkpoint shards", flush=True)
    os.system("echo from a subprocess")
    ctypes.CDLL(None).puts(b"from C")
    try:
        input("Trust this code? [y/N] ")
    except EOFError:
        return float(image.width)


@rankkit.pointwise
def needy(image, prompt, *, weight: float = 1.0, label: str | None = None):
    """Needs a prompt, and has options with types."""
    return len(prompt) * weight


class Whole:
    """Listwise; what it does is said in the prompt."""

    kind = "listwise"
    version = "weights-7"

    def rank(self, groups):
        return [self.one(group) for group in groups]

    def one(self, group):
        word, _, value = group.prompt.partition(" ")
        if word == "die":
            print("the last words", file=sys.stderr, flush=True)
            os._exit(int(value or 7))
        if word == "die-once" and not Path(value).exists():
            Path(value).touch()
            os.kill(os.getpid(), 9)
        if word == "sleep":
            time.sleep(float(value))
        if word == "raise":
            raise ValueError("no\nsuch   thing")
        if word == "exit":
            sys.exit(3)
        if word == "pid":
            return rankkit.Ranking((float(os.getpid()),) * len(group.images))
        return rankkit.Ranking(
            tuple(range(len(group.images))),
            "listwise",
            None,
            tuple({"seen": group.prompt} for _ in group.images),
        )


class Short(Whole):
    """Forgets a group."""

    def rank(self, groups):
        return []


class Unbuildable:
    """Cannot be built."""

    kind = "pointwise"

    def __init__(self, *, checkpoint="/nowhere"):
        print("reading the checkpoint", file=sys.stderr)
        raise FileNotFoundError(f"no checkpoint at {checkpoint}")

    def rank(self, groups):
        """Never reached."""
