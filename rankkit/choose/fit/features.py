"""Features by name, ``basic+clip:model=ViT-B-32+sharpness``: each part gives numbers for an image.

A part is `basic`, or a ranker by its name: what its ``embed(images)`` gives, one vector each, where it has
that method, else its score. Only rankers that are installed or in rankkit.toml can be parts, neither files
nor addresses, so that a taste from somebody else imports nothing and asks nobody that its reader did not
install.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image

from rankkit.choose.fit import basic
from rankkit.choose.fit.basic import Floats
from rankkit.core.binding import describe
from rankkit.core.calling import rank_groups
from rankkit.core.prefetch import map_images
from rankkit.core.stated import embed_of
from rankkit.core.types import Group, Ranker, Ranking
from rankkit.errors import BrokenRanker, RunStopped, UnknownRanker, UsageError
from rankkit.registry.catalog import installed
from rankkit.registry.load import Prepared, prepare
from rankkit.registry.spec import parse

Kind = Literal["basic", "embedding", "score"]
BASIC: Literal["basic"] = "basic"


@dataclass(frozen=True, slots=True)
class Asked:
    """One image of which features are wanted, with its prompt and what came with that."""

    image: Image.Image
    prompt: str = ""
    metadata: Mapping[str, Any] | None = None


class Part:
    """One source of features. `identity` changes when what it gives does."""

    def __init__(self, spec: str, prepared: Prepared | None, kind: Kind | None = None) -> None:
        self.spec, self._prepared = spec, prepared
        self._ranker: Ranker | None = None
        self._kind: Kind | None = kind if prepared else BASIC
        self.identity = _identity(prepared)

    @property
    def kind(self) -> Kind:
        """What it gives. A ranker is built to know it, where nothing has told it before."""
        if self._kind is None:
            self._kind = "embedding" if embed_of(self.ranker) else "score"
        return self._kind

    @kind.setter
    def kind(self, kind: Kind) -> None:
        self._kind = kind

    @property
    def ranker(self) -> Ranker:
        """The ranker, built once."""
        assert self._prepared is not None, "basic features come from no ranker"
        if self._ranker is None:
            self._ranker = self._prepared.load()
        return self._ranker

    @property
    def needs_prompt(self) -> bool:
        """Whether it says nothing of an image without a prompt."""
        return self._prepared is not None and self.kind == "score" and self._prepared.needs_prompt

    def names(self, size: int) -> tuple[str, ...]:
        """What its numbers are called."""
        if self.kind == "embedding":
            return tuple(f"{self.spec} [{i}]" for i in range(size))
        return basic.NAMES if self.kind == "basic" else (f"{self.spec} (ranker)",)

    def measure(self, asked: Sequence[Asked]) -> list[Floats | str]:
        """Of each image a vector of finite numbers, or the reason why there is none."""
        if self.kind == "basic":
            return list(map_images(basic.measure, [each.image for each in asked]))
        if self.kind == "score":
            return self._scores(asked)
        embed = embed_of(self.ranker)
        if embed is None:
            raise BrokenRanker(f"{self.spec} has no embed(images) any more, and its features were of that")
        return _embedded(embed, [each.image for each in asked], self.spec)

    def _scores(self, asked: Sequence[Asked]) -> list[Floats | str]:
        able = [each for each in asked if each.prompt or not self.needs_prompt]
        groups = [Group(each.prompt, (each.image,), metadata=each.metadata or {}) for each in able]
        rankings = iter(rank_groups(self.ranker, groups, self.spec))
        unable = f"{self.spec}: it needs a prompt, and this image has none"
        return [
            self._score(next(rankings)) if each.prompt or not self.needs_prompt else unable for each in asked
        ]

    def _score(self, ranking: Ranking) -> Floats | str:
        if not math.isnan(ranking.scores[0]):
            return np.array([ranking.scores[0]])
        return f"{self.spec}: {ranking.reason(0) or 'it abstained and did not say why'}"


def parts_of(features: str) -> list[Part]:
    """The parts that a text names. Nothing is built. Raises `UsageError` for what cannot be a part."""
    parts: list[Part] = []
    for spec, weight in parse(features):
        if weight not in (None, 1.0):
            raise UsageError(
                f"--features {features}: {spec.name} has a weight, and weights are what is fitted; write a+b"
            )
        if spec.text in [part.spec for part in parts]:
            raise UsageError(f"--features {features}: {spec.text} is named twice")
        parts.append(_part(spec.text, spec.name, bool(spec.options)))
    return parts


def _part(text: str, name: str, options: bool) -> Part:
    if name == BASIC:
        if options:
            raise UsageError(f"{text}: the features basic take no options")
        return Part(BASIC, None)
    if ":" in name or "/" in name:
        raise UsageError(
            f"{text}: features are basic and rankers by their names, not files or addresses, so that the "
            f"fitted folder is safe to pass on; put it into a package (rankkit new), or into rankkit.toml"
        )
    try:
        prepared = prepare(text)
    except UnknownRanker as error:
        known = [BASIC, *(offer.name for offer in installed())]
        near = difflib.get_close_matches(name, known, 3, 0.5)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise UsageError(
            f"no features are named {name!r}; {hint}there are basic and, by their names, the rankers: "
            f"{', '.join(known[1:])}"
        ) from error
    if prepared.kind != "pointwise":
        raise UsageError(
            f"{text} is a {prepared.kind} ranker, which says nothing of one image alone; features are basic "
            f"and pointwise rankers"
        )
    return Part(text, prepared)


def _identity(prepared: Prepared | None) -> str:
    """What must be alike for features to be alike: what a ranker states, not its distribution's version."""
    if prepared is None:
        return f"{BASIC} {basic.VERSION}"
    stated = prepared.identity.version.partition("+")[2]
    options = ",".join(f"{key}={value}" for key, value in sorted(prepared.identity.options.items()))
    return f"{prepared.identity.ranker}:{options} {stated}".rstrip(": ")


def _embedded(
    embed: Callable[[Sequence[Image.Image]], Any], images: Sequence[Image.Image], name: str
) -> list[Floats | str]:
    try:
        vectors = np.asarray(embed(images), dtype=np.float64)
        if vectors.ndim != 2 or len(vectors) != len(images):
            raise BrokenRanker(f"embed gave an array of shape {vectors.shape} for {len(images)} images")
        reason = f"{name}: its embedding is not finite"
        return [vector if np.isfinite(vector).all() else reason for vector in vectors]
    except RunStopped:
        raise
    except Exception as error:
        if len(images) == 1:
            return [f"{name}: {describe(error)}"]
    return [found for image in images for found in _embedded(embed, [image], name)]
