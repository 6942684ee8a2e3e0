"""What the tests of `rankkit score` share: images, the command as a real process, and rows as
dictionaries.
"""

import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

import rankkit
from rankkit.io.formats import read_rows
from rankkit.io.prompts import survey
from rankkit.registry.load import prepare
from rankkit.scoring import engine

HERE = Path(rankkit.__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}

# a ranker in the current folder that takes its time: 2 ms an image
SLOW = """
import time, rankkit

@rankkit.pointwise
def slow(image):
    time.sleep(0.002)
    return image.getpixel((0, 0))[0]
"""

# one whose verdict depends on the whole group: how many of its images are darker
LISTWISE = """
from rankkit import Ranking

class Darker:
    def rank(self, groups):
        values = [[image.getpixel((0, 0))[0] for image in group.images] for group in groups]
        return [Ranking(tuple(float(sum(b < a for b in each)) for a in each)) for each in values]
"""


def save_image(path: Path, seed: int = 0, size: tuple[int, int] = (24, 16), **options) -> Path:
    """A small image of its own for each seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


def folder(path: Path, names: Iterable[str] = "abcd", prompt: str = "") -> Path:
    """A folder of small images, all under one prompt, or under none."""
    for seed, name in enumerate(names):
        save_image(path / f"{name}.png", seed)
        if prompt:
            (path / f"{name}.txt").write_text(prompt)
    return path


def bomb(path: Path, side: int = 20_000, depth: int = 1) -> None:
    """A PNG of side × side pixels in a few kilobytes: one bit each, all black."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer = zlib.compressobj(9)
    row = bytes(1 + (side * depth + 7) // 8)
    pixels = b"".join(packer.compress(row * 100) for _ in range(side // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, depth, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def run(*arguments, cwd: Path, **options) -> subprocess.CompletedProcess:
    """`rankkit …` as a process of its own."""
    return subprocess.run(
        command(*arguments), cwd=cwd, capture_output=True, env=ENVIRONMENT, timeout=120, **options
    )


def command(*arguments) -> list:
    return [sys.executable, "-m", "rankkit", *arguments]


def start(*arguments, cwd: Path, **options) -> subprocess.Popen:
    return subprocess.Popen(
        command(*arguments),
        cwd=cwd,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.002)


def score(paths, specs, output: Path, *, prompts=None, **options) -> engine.Outcome:
    """`rankkit score` in this process, by its one library call."""
    paths = [paths] if isinstance(paths, (str, Path)) else paths
    specs = [specs] if isinstance(specs, str) else specs
    return engine.score(
        survey(paths, prompts=prompts), [prepare(spec) for spec in specs], Path(output), **options
    )


def rows(path: Path) -> list[dict]:
    return list(read_rows(path))


def keyed(found: list[dict]) -> dict:
    """Rows by image and ranker; a doubled one is an error."""
    result = {(row["group"], row["image"], row["ranker"], str(row["options"])): row for row in found}
    assert len(result) == len(found), "a row stands there twice"
    return result


def by_name(found: list[dict]) -> dict:
    """Rows of one ranker by the file's name alone."""
    result = {row["image"].rsplit("/", 1)[-1]: row for row in found}
    assert len(result) == len(found), "a row stands there twice"
    return result


@contextmanager
def as_anyone():
    """A temporary folder, and no more rights than any user has; root would be allowed everything."""
    with tempfile.TemporaryDirectory(prefix="rankkit-test-") as name:
        Path(name).chmod(0o777)
        root = os.geteuid() == 0
        if root:
            os.setegid(65534)
            os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            if root:
                os.seteuid(0)
                os.setegid(0)
