"""What flows through training: a `Sample` of candidates, made by a `Generator`, seen through a `FeatureMap`.

Legend: K candidates of one prompt; latents (K,C,h,w) in the scale the U-Net sees; pixels (K,3,H,W) in [-1,
1].
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from PIL import Image
from torch import Tensor

from rankkit import Group

LogRow = dict[str, float]
"""What there is to log of a turn or of a step, by name."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt, and the metadata that it came with, which reaches the ranker as `Group.metadata`: its GenEval
    clauses, the text to be rendered.
    """

    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Sample:
    """K candidates of one prompt. Pixels are decoded when first asked for, and only once."""

    def __init__(self, prompt: str, latents: Tensor, decode: Callable[[Tensor], Tensor]) -> None:
        self.prompt = prompt
        self.latents = latents
        self.seconds = 0.0  # spent on decoding so far, whoever asked for it
        self._decode = decode

    @cached_property
    def pixels(self) -> Tensor:
        """(K,3,H,W) in [-1, 1]; carries a graph if the latents do."""
        return self._decoded(self.latents)

    @cached_property
    def shown(self) -> Tensor:
        """The pixels without a graph: those already decoded, or a decoding that stores no activations."""
        if "pixels" in self.__dict__:
            return self.pixels.detach()
        with torch.no_grad():
            return self._decoded(self.latents.detach())

    def images(self) -> tuple[Image.Image, ...]:
        """The candidates as 8-bit images, rounded as diffusers rounds them."""
        unit = (self.shown / 2 + 0.5).clamp(0, 1)  # in whatever precision they were decoded
        levels = unit.float().mul(255).round().to(torch.uint8)
        return tuple(Image.fromarray(image) for image in levels.permute(0, 2, 3, 1).cpu().numpy())

    def group(self, name: str = "", metadata: Mapping[str, Any] | None = None) -> Group:
        """The candidates as a ranker sees them, with what their prompt came with."""
        return Group(self.prompt, self.images(), id=name, metadata=metadata or {})

    def _decoded(self, latents: Tensor) -> Tensor:
        started = clock(latents.device)
        pixels = self._decode(latents)
        self.seconds += clock(latents.device) - started
        return pixels


def clock(device: torch.device) -> float:
    """Seconds on a clock that waits for what a GPU was given to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def mean(values: Iterable[float]) -> float:
    """The mean of those that are numbers, NaN where none is; also where their sum is beyond all floats."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return math.nan
    total = sum(known)
    return total / len(known) if math.isfinite(total) else math.fsum(value / len(known) for value in known)


def peak_mb() -> float:
    """The most memory used so far, in MiB: the GPU's, where there is one, else this process' (0 where the
    system does not tell).
    """
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    try:
        import resource
    except ImportError:
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def copies(weights: Sequence[Tensor]) -> list[Tensor]:
    """The weights as they are now, which do not change with them."""
    return [weight.detach().clone() for weight in weights]


def assign(weights: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Overwrite weights in place."""
    with torch.no_grad():
        for weight, value in zip(weights, values, strict=True):
            weight.copy_(value)


class Generator(Protocol):
    """A deterministic one-step generator with trainable parameters and, behind `reference`, the frozen base
    it started from.
    """

    def noise(self, count: int, seed: int) -> Tensor:
        """(count,C,h,w) standard normal noise, the same for the same seed on every device."""
        ...

    def sample(self, prompt: str, noise: Tensor) -> Sample:
        """One candidate per noise; with a graph to the parameters unless gradients are off."""
        ...

    def sample_all(self, prompts: Sequence[str], noises: Sequence[Tensor]) -> list[Sample]:
        """As `sample` for each prompt with its noises, by one call of the network where it can be."""
        ...

    def reference(self) -> AbstractContextManager[None]:
        """Inside it, `sample` is the base's: adapters off, no second copy of the model."""
        ...

    def parameters(self) -> Mapping[str, torch.nn.Parameter]:
        """What is trained, by name, always in the same order."""
        ...

    def save(self, folder: Path) -> None:
        """Write the trained part as diffusers' ``load_lora_weights`` reads it."""
        ...

    def load(self, folder: Path) -> None:
        """Take up what `save` wrote."""
        ...


@runtime_checkable
class ImageGenerator(Protocol):
    """A generator that can also encode images, so that stored ones are seen as its candidates are."""

    size: int
    """Pixels of a side of its images."""

    def encode_pixels(self, pixels: Tensor) -> Tensor:
        """(K,3,H,W) in [-1, 1] to latents."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to (K,3,H,W) in [-1, 1]."""
        ...


class FeatureMap(Protocol):
    """A frozen view of candidates: per key one set of points, (K,D) or (K,tokens,D), differentiable in the
    sample.
    """

    def __call__(self, sample: Sample) -> Mapping[str, Tensor]:
        """The features of every candidate."""
        ...


def fixed_seeds(*numbers: int) -> Iterator[int]:
    """Endless seeds that depend on the numbers alone, so that any step of a run can be made again."""
    state = 0
    for number in numbers:
        state = (state * 6364136223846793005 + number + 1442695040888963407) % 2**63
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**63
        yield state >> 16
