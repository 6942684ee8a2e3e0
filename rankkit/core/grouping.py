"""Images in one list, each with its prompt, as groups; and the rankings of those groups as one list again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from rankkit.core.types import Group, Kind, Ranking
from rankkit.errors import UsageError


@dataclass(frozen=True, slots=True)
class Listed:
    """The groups of a list of images.

    `places`: of each group, where its images stand in the list. `errors`: why an image is in no group.
    """

    groups: list[Group]
    places: list[list[int]]
    count: int
    errors: Mapping[int, str]

    def scores(self, rankings: Sequence[Ranking]) -> tuple[list[float], list[str | None]]:
        """Of one ranking per group the score of every image of the list, and why it is NaN where it is."""
        scores, errors = [math.nan] * self.count, dict(self.errors)
        for ranking, places in zip(rankings, self.places, strict=True):
            for at, place in enumerate(places):
                scores[place] = ranking.scores[at]
                if math.isnan(scores[place]):
                    details = ranking.details[at] if ranking.details else {}
                    errors[place] = str(details.get("error") or "the ranker abstained and did not say why")
        return scores, [errors.get(place) for place in range(self.count)]


def grouped(
    images: Sequence[Image.Image | str],
    prompts: Sequence[str],
    metadata: Sequence[Mapping[str, Any] | None],
    kind: Kind,
) -> Listed:
    """The groups of a list of images: those of one prompt, and of one metadata, for a ranker of this kind.

    In place of an image that there is none of stands the reason. Raises `UsageError` where a ranker that
    compares the images of a prompt would have to compare them across different metadata.
    """
    places = _places(prompts, metadata, kind)
    places = [left for each in places if (left := [i for i in each if not isinstance(images[i], str)])]
    groups = [
        Group(prompts[each[0]], tuple(images[i] for i in each), metadata=metadata[each[0]] or {})  # type: ignore[misc]
        for each in places
    ]
    errors = {place: image for place, image in enumerate(images) if isinstance(image, str)}
    return Listed(groups, places, len(images), errors)


def _places(
    prompts: Sequence[str], metadata: Sequence[Mapping[str, Any] | None], kind: Kind
) -> list[list[int]]:
    written: dict[int, str] = {}
    groups: dict[tuple[str, str], list[int]] = {}
    for place, (prompt, about) in enumerate(zip(prompts, metadata, strict=True)):
        if id(about) not in written:
            written[id(about)] = json.dumps(about or {}, sort_keys=True, default=repr)
        groups.setdefault((prompt, written[id(about)]), []).append(place)
    firsts: dict[str, int] = {}
    for (prompt, _), places in groups.items():
        other = firsts.setdefault(prompt, places[0])
        if other != places[0] and kind != "pointwise":
            raise UsageError(
                f"images {other} and {places[0]} (counted from 0) have one prompt and different metadata; "
                f"this ranker compares the images of a prompt, so give them the same metadata"
            )
    return list(groups.values())
