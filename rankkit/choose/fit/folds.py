"""Which answers a model is tried on, and which it has learned from: no image is ever on both sides.

Where there are several prompts, whole prompts are held out. Else a fifth of the images is, over and over,
chosen as pairs that were answered and not tried yet: the model learns from the answers about two of the other
images, and is tried on those about two of the held-out ones; an answer about one of each is used for neither.
So each answer is tried once, by a model that has seen neither of its images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rankkit.core.aggregate import parts

FOLDS, MOST_FOLDS = 10, 40  # by prompts; by images
FEWEST = 5  # prompts, without an image in common, that are needed to hold out whole ones
LEAST = 5  # answers that a model learns from at least


@dataclass(frozen=True, slots=True)
class Folds:
    """`fold` (n,) says in which fold each answer is tried, -1 for none; `train` (folds, n) who learns from
    it.

    `by` is "prompts" or "images". `clusters` (n,) are those of an interval: prompts, or else folds.
    """

    fold: NDArray[np.int64]
    train: NDArray[np.bool_]
    by: str
    clusters: NDArray[np.int64]

    def __iter__(self) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        """Of each fold the answers that it learns from, and those that it is tried on."""
        return ((learned, self.fold == number) for number, learned in enumerate(self.train))


def folds(images: Sequence[tuple[int, int]], prompts: Sequence[int], *, seed: int = 0) -> Folds:
    """Folds of answers, each about two images of a prompt, by number; an image may be of several prompts."""
    pairs = np.asarray(images, dtype=np.int64).reshape(-1, 2)
    first = int(pairs.max(initial=-1)) + 1  # prompts are numbered after the images
    joined = [
        (image, first + prompt)
        for pair, prompt in zip(pairs.tolist(), prompts, strict=True)
        for image in pair
    ]
    owner = np.zeros(first + max(prompts, default=-1) + 1, dtype=np.int64)
    for number, members in enumerate(parts(len(owner), joined)):
        owner[members] = number
    own = owner[pairs[:, 0]]
    sizes = Counter(own.tolist())
    if len(sizes) >= FEWEST and max(sizes.values()) * 3 <= len(pairs):
        return _by_prompts(own, sizes)
    return _by_images(pairs, seed)


def _by_prompts(own: NDArray[np.int64], sizes: Counter[int]) -> Folds:
    held = [0] * min(FOLDS, len(sizes))
    fold = np.zeros(len(own), dtype=np.int64)
    for part, size in sizes.most_common():
        smallest = held.index(min(held))
        fold[own == part] = smallest
        held[smallest] += size
    train = np.stack([fold != number for number in range(len(held))])
    return Folds(fold, train, "prompts", own)


def _by_images(pairs: NDArray[np.int64], seed: int) -> Folds:
    rng = np.random.default_rng(seed)
    fold = np.full(len(pairs), -1, dtype=np.int64)
    most = max(2, len(np.unique(pairs)) // 5)
    train: list[NDArray[np.bool_]] = []
    hopeless = np.zeros(len(pairs), dtype=bool)  # nothing is left to learn from without their images
    while len(train) < MOST_FOLDS and (waiting := np.flatnonzero((fold < 0) & ~hopeless)).size:
        order = rng.permutation(waiting)
        held = _held(pairs[order], most)
        inside = np.isin(pairs, list(held))
        learned: NDArray[np.bool_] = np.logical_not(inside.any(axis=1))
        if learned.sum() < LEAST:
            hopeless[order[0]] = True
            most = max(2, most // 2)
            continue
        fold[inside.all(1) & (fold < 0)] = len(train)
        train.append(learned)
    return Folds(fold, np.array(train).reshape(-1, len(pairs)), "images", fold)


def _held(waiting: NDArray[np.int64], most: int) -> set[int]:
    """Images to hold out: those of the first answer, and then whichever brings the most answers with it."""
    held: set[int] = set()
    while len(held) + 2 <= most or not held:
        rest = waiting[~np.isin(waiting, list(held)).all(1)]
        if not len(rest):
            break
        half = rest[np.isin(rest, list(held)).any(1)]
        brought = half[~np.isin(half, list(held))]
        images, times = np.unique(brought, return_counts=True)
        held |= {int(images[times.argmax()])} if len(images) else set(rest[0].tolist())
    return held
