"""The latents themselves, flattened: the cheapest map, enough where the latent space is small (the shapes
world).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from drpo.types import Sample


class Latent:
    """One key, ``latent``: (K, C·h·w). Needs no decoding."""

    def __call__(self, sample: Sample) -> Mapping[str, Tensor]:
        """The latents of every candidate as one vector each."""
        return {"latent": sample.latents.flatten(1)}


def load(generator: Any) -> Latent:
    """The map; it has no weights and is the same for every generator."""
    return Latent()
