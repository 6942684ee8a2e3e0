"""Rankers behind a pipe: the words of a worker, a worker that is none, and what came of its groups."""

import contextlib
import math
import os
import sys
import textwrap

from PIL import Image

import rankkit
from rankkit.remote import frames, handshake
from rankkit.remote.rankers import Pipe


def group(prompt="p", n=2):
    return rankkit.Group(prompt, tuple(Image.new("RGB", (8 + i, 4), "red") for i in range(n)))


def words(*arguments):
    """The command of a worker of ours."""
    return [sys.executable, "-m", "rankkit.serving.pipe", *arguments]


@contextlib.contextmanager
def odd(ranker="Whole", **options):
    """One of `odd_rankers`, which the current folder holds, behind a pipe."""
    with contextlib.closing(Pipe(words(f"odd_rankers:{ranker}"), name="odd", **options)) as pipe:
        yield pipe


def fake(code):
    """The command of a worker that is none of ours: it runs this code."""
    return [sys.executable, "-c", textwrap.dedent(code)]


def reasons(ranking):
    """Why the images of a ranking abstained; all of them did."""
    assert all(map(math.isnan, ranking.scores))
    return {found["error"] for found in ranking.details}


def greeting(**fields):
    """What a worker says first."""
    return handshake.encode_handshake(handshake.WorkerInfo("x", "1", {}, "pointwise", False, **fields))


def frame(data):
    """A message as it stands on the wire."""
    reading, writing = os.pipe()
    with open(reading, "rb") as source:
        with open(writing, "wb") as sink:
            frames.write_frame(sink, data)
        return source.read()
