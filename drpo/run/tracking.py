"""TensorBoard and Weights & Biases, through accelerate: every row's numbers and every sample grid."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
from accelerate import Accelerator
from PIL import Image

from drpo.config import Config
from rankkit import RankkitError


class Track:
    """Where numbers and images go; without a tracker, nowhere."""

    def __init__(self, accelerator: Accelerator | None = None) -> None:
        self.accelerator = accelerator

    def row(self, row: Mapping[str, float]) -> None:
        """Numbers of one step."""
        if self.accelerator:
            self.accelerator.log(
                {name: value for name, value in row.items() if name != "step"}, step=int(row["step"])
            )

    def image(self, step: int, grid: Image.Image) -> None:
        """One sample grid."""
        if self.accelerator:
            for tracker in self.accelerator.trackers:
                shape = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
                tracker.log_images({"before and after": np.asarray(grid)[None]}, step=step, **shape)


@contextmanager
def tracked(name: str, out: Path, config: Config) -> Iterator[Track]:
    """A `Track` into the tracker of this name, ``none`` among them; TensorBoard writes below
    ``out/tensorboard``.

    Raises `RankkitError` when its package is not installed.
    """
    if name == "none":
        yield Track()
        return
    if importlib.util.find_spec(name) is None:
        raise RankkitError(f"tracker={name} needs the package {name}: pip install {name}")
    accelerator = Accelerator(log_with=name, project_dir=out)
    settings = {
        key: value if isinstance(value, (int, float, str, bool)) else str(value)
        for key, value in asdict(config).items()
    }
    with _named(name):
        accelerator.init_trackers(
            "tensorboard" if name == "tensorboard" else "drpo", settings, {"wandb": {"dir": str(out)}}
        )
    try:
        yield Track(accelerator)
    finally:
        accelerator.end_training()


@contextmanager
def _named(tracker: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a tracker's own: no key, no network, a version it does not like
        raise RankkitError(f"tracker={tracker} does not start: {error}") from error
