"""Images of a run before and after, at their full size, at every evaluation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from drpo.report import kept
from drpo.report.sections import parts
from drpo.run.files import IMAGES
from drpo.run.sample_grid import BASE, TITLES
from rankkit.plugin import Followed, Section, h, image, series

MOMENTS = 12  # evaluations on a page, evenly taken from all, the last one among them
FEW, LARGE = 2, 256  # images of a prompt, where a side has more pixels than this
ROOM = 24 * 2**20  # bytes of images on a page; of more, fewer moments are shown


def images(run: Path) -> Section | None:
    """The base's images beside those of every evaluation from the same noises; of runs of earlier versions
    the last sample grid.
    """
    folder = run / IMAGES
    steps = _steps(run)
    if not steps or not (folder / TITLES).is_file():
        return _grid(run)
    titles = json.loads((folder / TITLES).read_text(encoding="utf-8"))
    with Image.open(next((folder / BASE).iterdir())) as first:
        side = max(first.size)
    shown = _shown(folder, len(titles), side)
    held = _fitting(folder, shown, _evenly(steps, MOMENTS))
    followed = [
        Followed(title, [_thread(folder, name, held) for name in names], side)
        for title, names in zip(titles, shown, strict=True)
    ]
    left_out = "" if len(held) == len(steps) else f" {len(held)} of {len(steps)} evaluations are shown."
    words = (
        "Left what a noise gave before training, right what the same noise gives at the evaluation that the "
        f"slider chooses; an image is enlarged by a click.{left_out}"
    )
    moments = ["before", *(f"step {int(step)}" for step in held)]
    return Section("Before and after", h("div", parts.note(words), series(moments, followed)))


def _steps(run: Path) -> list[str]:
    """The folders of evaluations that the run knows of, those that lack an image left out: a run may be
    killed while it writes.
    """
    folder = run / IMAGES
    names = [path.name for path in (folder / BASE).glob("*")]
    known = dict.fromkeys(f"{one.step:06d}" for one in kept.evaluations(run))
    return [step for step in known if names and all((folder / step / name).is_file() for name in names)]


def _shown(folder: Path, prompts: int, side: int) -> list[list[str]]:
    """Per prompt the names of its images."""
    names = sorted((path.name for path in (folder / BASE).iterdir()), key=_number)
    most = FEW if side > LARGE else len(names)
    found = [[name for name in names if name.startswith(f"{number}-")] for number in range(prompts)]
    return [each[:most] for each in found]


def _fitting(folder: Path, shown: Sequence[Sequence[str]], steps: list[str]) -> list[str]:
    """As many of these evaluations as there is room for on a page, two at least."""
    size = sum((folder / BASE / name).stat().st_size for names in shown for name in names)
    return _evenly(steps, max(2, ROOM // max(1, size) - 1))


def _evenly(steps: list[str], most: int) -> list[str]:
    if len(steps) <= most:
        return steps
    return [steps[(number + 1) * len(steps) // most - 1] for number in range(most)]


def _thread(folder: Path, name: str, steps: Sequence[str]) -> list[str]:
    return [parts.data_uri(folder / step / name) for step in (BASE, *steps)]


def _number(name: str) -> tuple[int, ...]:
    return tuple(map(int, name.partition(".")[0].split("-")))


def _grid(run: Path) -> Section | None:
    found = kept.grids(run)
    if not found:
        return None
    words = "Each prompt’s images before training, and below them the images that the same noises give now."
    shown = image(parts.data_uri(found[-1]), "images before and after")
    return Section("Before and after", h("div", parts.note(words), shown))
