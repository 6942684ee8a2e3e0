"""A generator small enough to train in a second: one colour per image, a linear map of the noise plus a
trained shift.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from drpo.anchors import RankedAnchors
from drpo.config import Config
from drpo.run.monitor import Monitor
from drpo.train import Trainer
from drpo.types import FeatureMap, Generator, Prompt, Sample
from rankkit import Group, Ranker, Ranking

SETTINGS = Config(
    generator="toy",
    ranker="toy",
    prompts="toy",
    steps=30,
    prompts_per_step=2,
    group_size=16,
    anchors=4,
    features="latent",
    learning_rate=0.03,
    beta2=0.99,
    radii=(0.2, 0.5),
    ema=0.5,
    checkpoint_every=10,
)


class ToyGenerator:
    """Colour = 0.3 · noise + trained matrix · noise + trained shift; the base has neither matrix nor
    shift.
    """

    def __init__(self) -> None:
        self.shift = torch.nn.Parameter(torch.zeros(3))
        self.matrix = torch.nn.Parameter(torch.zeros(3, 3))
        self.trained = 1.0
        self.decoded = 0

    def noise(self, count: int, seed: int) -> Tensor:
        return torch.randn(count, 3, 1, 1, generator=torch.Generator().manual_seed(seed))

    def sample(self, prompt: str, noise: Tensor) -> Sample:
        color = 0.3 * noise.flatten(1) + self.trained * (noise.flatten(1) @ self.matrix + self.shift)
        return Sample(prompt, color[:, :, None, None], self.decode)

    def sample_all(self, prompts: Sequence[str], noises: Sequence[Tensor]) -> list[Sample]:
        return [self.sample(prompt, noise) for prompt, noise in zip(prompts, noises, strict=True)]

    def decode(self, latents: Tensor) -> Tensor:
        self.decoded += len(latents)
        return latents.tanh().expand(-1, -1, 4, 4)

    size = 4

    def encode_pixels(self, pixels: Tensor) -> Tensor:
        return pixels.mean((2, 3), keepdim=True).clamp(-0.99, 0.99).atanh()

    @contextmanager
    def reference(self) -> Iterator[None]:
        self.trained = 0.0
        try:
            yield
        finally:
            self.trained = 1.0

    def parameters(self) -> Mapping[str, torch.nn.Parameter]:
        return {"shift": self.shift, "matrix": self.matrix}

    def save(self, folder: Path) -> None:
        torch.save([self.shift.data, self.matrix.data], folder / "toy.pt")

    def load(self, folder: Path) -> None:
        self.shift.data, self.matrix.data = torch.load(folder / "toy.pt")


def redness(group: Group) -> list[float]:
    """Red minus the other two, per image, in grey levels."""
    means = [np.asarray(image, np.float64).mean((0, 1)) for image in group.images]
    return [float(mean[0] - (mean[1] + mean[2]) / 2) for mean in means]


class Scorer:
    """Redness as a score."""

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        return [Ranking(tuple(redness(group)), "pointwise") for group in groups]


class Judge:
    """The share of the other images that a pairwise judge, who sees only which of two is redder, finds
    worse.
    """

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        tables = [np.subtract.outer(red := redness(group), red) > 0 for group in groups]
        return [Ranking(tuple(table.mean(1)), "pairwise") for table in tables]


class Detector:
    """1 for images that are red at all, else 0."""

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        return [Ranking(tuple(float(red > 20) for red in redness(group))) for group in groups]


def monitor(**rankers: Ranker) -> Monitor:
    """A monitor of the toy's own score and of others, on two prompts."""
    return Monitor({"toy": Scorer()} | rankers, "toy", [Prompt("a"), Prompt("b")])


def ranked_trainer(
    config: Config, generator: Generator, features: FeatureMap, ranker: Ranker, prompts: Sequence[str]
) -> Trainer:
    """A trainer whose anchors are its candidates, ordered by the ranker."""
    source = RankedAnchors(ranker, config, [Prompt(text) for text in prompts])
    return Trainer(config, generator, features, source)


class Crowded(ToyGenerator):
    """Has room for two prompts."""

    def sample_all(self, prompts: Sequence[str], noises: Sequence[Tensor]) -> list[Sample]:
        if len(prompts) > 2:
            raise torch.OutOfMemoryError
        return super().sample_all(prompts, noises)
