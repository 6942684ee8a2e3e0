"""What all of these reward functions do: images with their prompts go in, a list of scores comes out."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rankkit.adapters.arrays import to_images
from rankkit.core.calling import LazyRanker, grouped, rank_groups
from rankkit.core.stated import kind_of
from rankkit.core.types import Ranker
from rankkit.errors import UsageError
from rankkit.registry.load import prepare


class Judge:
    """A ranker that a trainer asks, from several threads too; its weights are loaded when it first asks.

    `ranker`: a spec, as after -r, or a ranker. Raises as `rankkit.load` does for a spec that names none. One
    of a spec can be sent to other processes.
    """

    def __init__(self, ranker: str | Ranker) -> None:
        self._given = ranker
        if isinstance(ranker, str):
            prepared = prepare(ranker)
            self.name, self.kind = prepared.identity.ranker, prepared.kind
            self._ranker: Ranker = LazyRanker(self.name, prepared.load)
        else:
            self.name, self.kind = type(ranker).__name__, kind_of(ranker)
            self._ranker = ranker
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[Judge], tuple[str | Ranker]]:
        return Judge, (self._given,)

    def scores(
        self, images: Any, prompts: Sequence[str], metadata: Any = None
    ) -> tuple[list[float], list[str | None]]:
        """The score of each image, and why it is NaN where it is.

        `images`: as `to_images` takes them. `metadata`: a mapping for all of them, or one for each, or none.
        Scores of a ranker that compares images mean something among those of one prompt in one call. Raises
        `UsageError` for lists of different lengths, and for a single image of a prompt where there is nothing
        to compare it with.
        """
        found, texts = to_images(images), list(prompts)
        for_all = metadata is None or isinstance(metadata, Mapping) or not len(metadata)
        about = [metadata or None] * len(found) if for_all else list(metadata)
        if not len(found) == len(texts) == len(about):
            raise UsageError(
                f"{len(found)} images came with {len(texts)} prompts and {len(about)} metadata; give one each"
            )
        if strange := [each for each in about if not (each is None or isinstance(each, Mapping))]:
            raise UsageError(f"metadata holds {type(strange[0]).__name__}; give mappings or None")
        self._check_company(texts)
        listed = grouped(found, texts, about, self.kind)
        with self._lock:
            return listed.scores(rank_groups(self._ranker, listed.groups, self.name))

    def need_pointwise(self, trainer: str) -> None:
        """Raise `UsageError` for a ranker that compares images: this trainer asks about one at a time."""
        if self.kind != "pointwise":
            raise UsageError(
                f"{self.name} is {self.kind}, it compares images of one prompt, and {trainer} asks about one "
                f"at a time; give a pointwise ranker"
            )

    def _check_company(self, prompts: Sequence[str]) -> None:
        if self.kind == "pointwise":
            return
        lonely = [prompt for prompt, count in Counter(prompts).items() if count == 1]
        if lonely:
            raise UsageError(
                f"{self.name} is {self.kind}, it compares images of one prompt, and this call has only one "
                f"of {lonely[0][:80]!r}; let a call hold all images of a prompt, or give a pointwise ranker"
            )
