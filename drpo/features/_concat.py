"""Several maps at once, ``features=a+b``: each key stays a set of its own, so what one map cannot see another
can. And some keys of a map alone, ``features=a:key,key``: every key moves the candidates equally far, whether
it sees what was preferred or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from drpo.types import FeatureMap, Sample
from rankkit import UsageError


@dataclass(frozen=True, slots=True)
class Several:
    """The keys of every map, each as ``NAME.KEY``."""

    maps: Mapping[str, FeatureMap]

    def __call__(self, sample: Sample) -> Mapping[str, Tensor]:
        """The features of every candidate, in the order of the maps."""
        return {
            f"{name}.{key}": points for name, see in self.maps.items() for key, points in see(sample).items()
        }


@dataclass(frozen=True, slots=True)
class Chosen:
    """Some keys of a map, in the order in which they are named. Raises `UsageError` for one that it lacks."""

    name: str
    see: FeatureMap
    keys: tuple[str, ...]

    def __call__(self, sample: Sample) -> Mapping[str, Tensor]:
        """These features of every candidate."""
        points = self.see(sample)
        if unknown := [key for key in self.keys if key not in points]:
            lacking = " and no ".join(map(repr, unknown))
            raise UsageError(
                f"features={self.name}:{','.join(self.keys)}: {self.name} has no {lacking}; it has "
                f"{', '.join(points)}"
            )
        return {key: points[key] for key in self.keys}
