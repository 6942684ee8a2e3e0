"""Preferences from disk in place of a live ranker: prompts with chosen and rejected pictures (arXiv
2606.02521, offline).

Either the pictures themselves attract and repel, or they only rank the candidates: by how much nearer each
lies to the chosen ones than to the rejected ones, in feature space.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from drpo.config import Config
from drpo.loss import Poles, Row
from drpo.train import Trainer
from drpo.types import FeatureMap, Generator, Sample
from rankkit import Group, Ranking, RankkitError

Picture: TypeAlias = "Path | bytes | Image.Image"
"""Where a picture is; it is decoded when its turn comes, because a data set of decoded pictures fits into no
memory.
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """Pictures chosen and pictures rejected for one prompt; neither is empty."""

    prompt: str
    chosen: tuple[Picture, ...]
    rejected: tuple[Picture, ...]


def read(path: Path) -> list[Choice]:
    """Choices from a file: ``.jsonl`` rows of prompt, chosen, rejected (paths), or Pick-a-Pic's ``.parquet``
    without its ties.
    """
    if not path.is_file():
        raise RankkitError(f"there is no preference file {str(path)!r}; give a .jsonl or a .parquet")
    choices = list(_parquet(path) if path.suffix == ".parquet" else _jsonl(path))
    if not choices:
        raise RankkitError(f"{path} holds no preference: every row is a tie, or there is none")
    return choices


class OfflineTrainer(Trainer):
    """A `Trainer` whose poles are the pictures of `choices`.

    With ``offline="rank"`` they only order the candidates, which then attract and repel each other as under a
    live ranker. `generator` must offer `size` and ``encode_pixels``, from (K,3,H,W) in [-1, 1] to latents. A
    picture that cannot be read costs its prompt's turn, which is counted as broken.
    """

    def __init__(
        self, config: Config, generator: Generator, features: FeatureMap, choices: Sequence[Choice]
    ) -> None:
        self.choices: dict[str, list[Choice]] = {}
        for choice in choices:
            self.choices.setdefault(choice.prompt, []).append(choice)
        super().__init__(config, generator, features, _Nobody(), list(self.choices))

    def poles(
        self, sample: Sample, points: Mapping[str, Tensor], ranking: Ranking | None
    ) -> tuple[Poles | None, Row]:
        """The prompt's chosen and rejected pictures, seen through the feature map; one of its choices per
        step, in turn.
        """
        choices = self.choices[sample.prompt]
        choice = choices[self.step % len(choices)]
        try:
            chosen, rejected = (
                self.seen(sample.prompt, choice.chosen),
                self.seen(sample.prompt, choice.rejected),
            )
        except (OSError, ValueError):  # what Pillow raises for a damaged file
            return None, {"broken": 1.0}
        if self.config.offline == "rank":
            nearness = sum(
                _distance(z, rejected[key]) - _distance(z, chosen[key]) for key, z in points.items()
            )
            assert isinstance(nearness, Tensor)
            return super().poles(sample, points, Ranking(tuple(nearness.tolist())))
        return Poles(chosen, [1.0] * len(choice.chosen), rejected, [1.0] * len(choice.rejected)), {}

    def seen(self, prompt: str, pictures: Sequence[Picture]) -> Mapping[str, Tensor]:
        """Features of pictures from disk, as of candidates."""
        generator: Any = self.generator
        with torch.no_grad():
            pixels = torch.stack([_pixels(_opened(picture), generator.size) for picture in pictures])
            return self.features(Sample(prompt, generator.encode_pixels(pixels), generator.decode))


class _Nobody:
    """Stands where a ranker would; offline nobody is asked."""

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        """Abstain."""
        return [Ranking((float("nan"),) * len(group.images)) for group in groups]


def _distance(z: Tensor, others: Tensor) -> Tensor:
    """(K,): mean distance of each candidate to `others`, as flat vectors, in units of the mean over
    candidates.
    """
    d = torch.cdist(z.detach().float().flatten(1), others.float().flatten(1))
    return d.mean(1) / d.mean().clamp_min(1e-12)


def _opened(picture: Picture) -> Image.Image:
    if isinstance(picture, Image.Image):
        return picture
    with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture) as file:
        return file.convert("RGB")


def _pixels(picture: Image.Image, size: int) -> Tensor:
    """(3,size,size) in [-1, 1], cropped to the middle square."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    return torch.from_numpy(np.asarray(square, np.float32).transpose(2, 0, 1).copy()) / 127.5 - 1


def _jsonl(path: Path) -> Iterator[Choice]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            sides = [
                tuple(path.parent / name for name in _many(row[side])) for side in ("chosen", "rejected")
            ]
            prompt = str(row["prompt"])
        except (ValueError, KeyError, TypeError) as error:
            raise RankkitError(
                f"{path}, line {number}: not a row of prompt, chosen, rejected ({error!r})"
            ) from None
        for picture in (picture for side in sides for picture in side if not picture.is_file()):
            raise RankkitError(
                f"{path}, line {number}: there is no picture {str(picture)!r}; paths are relative to the file"
            )
        if all(sides):
            yield Choice(prompt, *sides)


def _many(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _parquet(path: Path) -> Iterator[Choice]:
    """Pick-a-Pic: ``caption``, pictures ``jpg_0`` and ``jpg_1`` as bytes, ``label_0`` 1 when the first was
    chosen, 0.5 for a tie.
    """
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise RankkitError("reading .parquet needs pyarrow: pip install 'rankkit-t2i[parquet]'") from None
    try:
        rows = parquet.read_table(path, columns=["caption", "jpg_0", "jpg_1", "label_0"]).to_pylist()
    except (arrow.ArrowException, OSError) as error:
        raise RankkitError(
            f"{path} is not a Pick-a-Pic file (caption, jpg_0, jpg_1, label_0): {error}"
        ) from None
    for row in rows:
        if row["label_0"] in (0, 1) and row["jpg_0"] and row["jpg_1"]:
            first, second = row["jpg_0"], row["jpg_1"]
            chosen, rejected = (first, second) if row["label_0"] == 1 else (second, first)
            yield Choice(row["caption"], (chosen,), (rejected,))
