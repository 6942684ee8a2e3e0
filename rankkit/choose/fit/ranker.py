"""The ranker in a folder: ``./my-taste`` wherever a ranker is named."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from rankkit.choose.fit.basic import Floats
from rankkit.choose.fit.features import Asked, Part, parts_of
from rankkit.choose.fit.taste import Taste, again, check_identity, load
from rankkit.core.rankers import Pointwise
from rankkit.core.types import Scored
from rankkit.errors import BrokenRanker, UsageError


class Fitted(Pointwise):
    """Prefer what a person prefers, as `rankkit fit` has learned from their choices; in logits.

    exp of a difference between two images of one prompt is the odds that this person chooses the first. An
    image of which a part of the features says nothing abstains.
    """

    folder: ClassVar[Path]
    taste: ClassVar[Taste]
    version: ClassVar[str]
    needs_prompt: ClassVar[bool]

    def __init__(self) -> None:
        self.parts = _parts(self.folder, self.taste)

    def score(
        self, images: Sequence[Image.Image], prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]]
    ) -> list[Scored]:
        """One score per image."""
        asked = [Asked(*each) for each in zip(images, prompts, metadata, strict=True)]
        columns = [part.measure(asked) for part in self.parts]
        return [self._scored(vectors) for vectors in zip(*columns, strict=True)]

    def _scored(self, vectors: Sequence[Floats | str]) -> Scored:
        numbers = [vector for vector in vectors if not isinstance(vector, str)]
        if len(numbers) < len(vectors):
            reason = next(vector for vector in vectors if isinstance(vector, str))
            return Scored(math.nan, details={"error": reason})
        sizes = [len(vector) for vector in numbers]
        if sizes != [part.size for part in self.taste.parts]:
            known = ", ".join(f"{part.spec} {part.size}" for part in self.taste.parts)
            raise BrokenRanker(
                f"{self.folder} was fitted on other numbers of features ({known}) than {sizes}"
            )
        return Scored(float(self.taste.scores(np.concatenate(numbers))))

    def __repr__(self) -> str:
        return f"<ranker {self.folder}, {self.kind}>"


def open_folder(folder: str | os.PathLike[str]) -> type[Fitted]:
    """The class of the ranker in a folder; no weights of its features are loaded yet. Raises as `load`."""
    taste = load(folder)
    stated = {"version": taste.version, "needs_prompt": taste.needs_prompt}
    return type(
        "Fitted", (Fitted,), {"folder": Path(folder), "taste": taste, "__doc__": Fitted.__doc__, **stated}
    )


def _parts(folder: Path, taste: Taste) -> list[Part]:
    """The parts of the features, checked to be those that the taste was fitted on."""
    try:
        parts = parts_of("+".join(part.spec for part in taste.parts))
    except UsageError as error:
        raise UsageError(
            f"{folder} was fitted on features that are not to be had here: {error}; install what offers "
            f"them, or {again(folder)}"
        ) from error
    for stored, part in zip(taste.parts, parts, strict=True):
        check_identity(folder, stored, part.identity)
        if stored.kind != part.kind:
            raise BrokenRanker(
                f"{folder} was fitted on the {stored.kind} of {part.spec}, which gives {part.kind} here; "
                f"fit it again"
            )
    return parts
