"""What an image adds to its group: how far it is from all others, or from the nearest.

Both are symmetric, so that two copies tie: neither adds what the other does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rankkit.core.types import Group, Kind, Ranking

SIDE, BITS = 16, 16  # pixels of the small copy that `Diversity` compares; comparisons per row of a hash
AT_ONCE = 256  # images that are compared with all others in one matrix
ALONE = "the group has no other image to compare it with"
Distances = Callable[[NDArray[Any], NDArray[Any]], NDArray[np.float64]]


class Diversity:
    """Prefer images unlike the others of their group: mean distance to them, 0 (all alike) to 1.

    The distance of two images is the root mean square difference of their colours at 16 by 16 pixels, where 1
    is black against white: composition and colour, nothing finer. An image's score is its share in the mean
    distance of all pairs, so what leaving it out would take away. Abstains on an image that is alone.
    """

    kind: ClassVar[Kind] = "listwise"
    needs_prompt: ClassVar[bool] = False

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """Score = mean distance to the other images of the group."""
        return [_ranked(group, _thumbnail, _root_mean_square, _mean) for group in groups]


class NearDuplicates:
    """Prefer images without a near-duplicate in their group: distance of the nearest, 0 (a copy) to 1.

    The distance is the share of 256 bits that differ in a difference hash of luma, which scaling,
    recompression and a little brightness hardly change: below 0.05 is nearly the same image, unrelated
    ones lie around 0.5. Abstains on an image that is alone.
    """

    kind: ClassVar[Kind] = "listwise"
    needs_prompt: ClassVar[bool] = False

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """Score = distance to the most similar image of the group."""
        return [_ranked(group, _hash, _differing, _nearest) for group in groups]


def _ranked(
    group: Group,
    describe: Callable[[Image.Image], NDArray[Any]],
    distances: Distances,
    summary: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> Ranking:
    """Scores of one group: each image described, compared with all, its distances to the others summed up."""
    count = len(group.images)
    if count < 2:
        return Ranking((float("nan"),) * count, "listwise", None, ({"error": ALONE},) * count)
    described = np.stack([describe(image) for image in group.images])
    scores: list[float] = []
    for start in range(0, count, AT_ONCE):
        part = distances(described[start : start + AT_ONCE], described)
        part[np.arange(len(part)), np.arange(start, start + len(part))] = np.nan  # not with itself
        scores += summary(part).tolist()
    return Ranking(tuple(round(score, 9) for score in scores), "listwise")


def _thumbnail(image: Image.Image) -> NDArray[np.float64]:
    """Colours of 16 by 16 pixels, 0 to 1, in one row."""
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float64).ravel() / 255


def _hash(image: Image.Image) -> NDArray[np.float64]:
    """Per pixel of a 16 by 16 grid 1 where luma rises to the right, else 0 (dHash)."""
    small = image.convert("L").resize((BITS + 1, BITS), Image.Resampling.BOX)
    luma = np.asarray(small, dtype=np.int16)
    return (luma[:, 1:] > luma[:, :-1]).astype(np.float64).ravel()


def _root_mean_square(some: NDArray[Any], every: NDArray[Any]) -> NDArray[np.float64]:
    distances = np.empty((len(some), len(every)))
    for row, one in zip(distances, some, strict=True):
        row[:] = np.sqrt(np.mean((every - one) ** 2, axis=1))
    return distances


def _differing(some: NDArray[Any], every: NDArray[Any]) -> NDArray[np.float64]:
    """Share of bits that differ; products of 0 and 1 are exact."""
    both = some @ every.T
    counts: NDArray[np.float64] = some.sum(1)[:, None] + every.sum(1)[None] - 2 * both
    return counts / every.shape[1]


def _mean(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.nanmean(distances, axis=1)


def _nearest(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.nanmin(distances, axis=1)
