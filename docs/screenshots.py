"""Draws the screenshots of docs/choose.md into docs/images: `python docs/screenshots.py [--run RUN]`.

It walks through what the page tells, in a folder of its own, on the images of examples/ and in a Chromium
without a window; RUN is a run of drpo whose sample grids are shown (of `python -m benchmarks.taste`).
"""

from __future__ import annotations

import argparse
import io
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageStat

from rankkit.choose.label.answers import AnswerFile
from rankkit.choose.label.candidates import candidates
from rankkit.choose.label.session import Session
from rankkit.io.prompts import survey

HERE = Path(__file__).parent
IMAGES = HERE / "images"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "chromium"
)
FLAGS = "--headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --virtual-time-budget=6000"
MOST = 150_000  # bytes of a screenshot
QUESTIONS = 120


def main() -> None:
    """Every screenshot, in the order of the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, help="a run whose sample grids are shown as train.png")
    run = parser.parse_args().run
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copytree(HERE.parent / "examples", folder / "out")
        command(folder, "score", "out", "-r", "sharpness", "-r", "colorfulness", "-o", "scores.jsonl")
        select = ["scores.jsonl", "-r", "sharpness", "-r", "colorfulness", "--top", "3", "--html"]
        command(folder, "select", *select, "sheet.html", "--list")
        shot("select", (folder / "sheet.html").as_uri(), 900, 620)
        answer(folder, 14)
        label(folder, lambda url: shot("label", url, 900, 640))
        label(folder, lambda url: shot("label-phone", url, 390, 780, dark=True))
        answer(folder, QUESTIONS)
        command(folder, "fit", "labels.jsonl", "-o", "my-taste")
        shot("fit", (folder / "my-taste/report.html").as_uri(), 900, 1180)
        command(folder, "score", "out", "-r", "./my-taste", "-o", "taste.jsonl")
        command(folder, "gallery", "taste.jsonl", "-o", "gallery.html")
        shot("score", (folder / "gallery.html").as_uri(), 900, 1000)
    if run is not None:
        grids = sorted((run / "sample_grids").glob("*.png"))
        write("train", Image.open(grids[-1]))


def command(folder: Path, *words: str) -> None:
    """A command of rankkit, in that folder."""
    subprocess.run([sys.executable, "-m", "rankkit", *words], cwd=folder, env=environment(), check=True)


def environment() -> dict[str, str]:
    """The environment of a command: this checkout's packages first."""
    paths = [str(HERE.parent), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def answer(folder: Path, questions: int) -> None:
    """So many answers of somebody who likes light and warm images."""
    found = candidates(survey([folder / "out"]), folder / "labels.jsonl")
    rng = random.Random(0)

    def liked(path: str) -> float:
        red, green, blue = ImageStat.Stat(Image.open(path).convert("RGB")).mean
        return red + green / 2 - blue + rng.gauss(0, 2)

    with AnswerFile(folder / "labels.jsonl") as file:
        work = Session(found, file, "ada", rng=rng)
        while (asked := work.question) is not None and work.progress().questions < questions:
            scores = [liked(found[asked.prompt].items[place].path) for place in asked.places]
            work.answer(asked.id, scores.index(max(scores)), 2.0)


def label(folder: Path, use: Callable[[str], None]) -> None:
    """Use the address of `rankkit label` while it runs."""
    words = [sys.executable, "-m", "rankkit", "label", "out", "--no-browser", "--who", "ada"]
    with subprocess.Popen(words, cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "the page for" in line)
        use(line.split(" at ")[1].split(" ;")[0])
        process.terminate()


def shot(name: str, url: str, width: int, height: int, dark: bool = False) -> None:
    """A page as Chromium draws it, written as NAME.png."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place, "shot.png")
        flags = [*FLAGS.split(), f"--user-data-dir={place}/profile", f"--window-size={width},{height}"]
        flags += ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if dark else []
        subprocess.run([CHROMIUM, *flags, f"--screenshot={out}", url], check=True, capture_output=True)
        write(name, Image.open(out))


def write(name: str, image: Image.Image) -> None:
    """Write an image in as many colours as fit into a small file."""
    for colors in (256, 128, 64, 32):
        buffer = io.BytesIO()
        image.convert("RGB").quantize(colors, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        if buffer.tell() < MOST:
            break
    (IMAGES / f"{name}.png").write_bytes(buffer.getvalue())
    print(f"{name}.png: {buffer.tell() / 1e3:.0f} kB", file=sys.stderr)


if __name__ == "__main__":
    main()
