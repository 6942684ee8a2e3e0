"""Several maps at once, ``features=a+b``: each key stays a set of its own, so what one map cannot see another
can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from drpo.types import FeatureMap, Sample


@dataclass(frozen=True, slots=True)
class Several:
    """The keys of every map, each as ``NAME.KEY``."""

    maps: Mapping[str, FeatureMap]

    def __call__(self, sample: Sample) -> Mapping[str, Tensor]:
        """The features of every candidate, in the order of the maps."""
        return {
            f"{name}.{key}": points for name, see in self.maps.items() for key, points in see(sample).items()
        }
