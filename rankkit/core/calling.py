"""Calling a ranker, the same way everywhere: with groups, or with a list of images that is made into groups.

What it returns is checked, and a failure costs only the group that failed.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from rankkit.core.binding import why_failed
from rankkit.core.stated import kind_of
from rankkit.core.types import Group, Kind, Ranker, Ranking
from rankkit.errors import BrokenRanker, RunStopped, UsageError


def rank_groups(ranker: Ranker, groups: Sequence[Group], name: str) -> list[Ranking]:
    """One ranking per group, with one score per image.

    Where the ranker fails, each group is asked for by itself, and the one that fails alone abstains with the
    reason.

    Passes `RunStopped` on: it ends the run, and no image is to blame. A ranker that calls ``sys.exit`` has
    failed like any other.
    """
    if not groups:
        return []
    try:
        with in_this_process():
            return check_rankings(ranker.rank(groups), groups, name)
    except RunStopped:
        raise
    except (Exception, SystemExit) as error:
        if len(groups) == 1:
            return [abstention(groups[0], why_failed(error, groups[0].prompt), kind_of(ranker))]
    return [ranking for group in groups for ranking in rank_groups(ranker, [group], name)]


@contextlib.contextmanager
def in_this_process() -> Iterator[None]:
    """A block that ends in the process where it began.

    A ranker may fork, and its child return, raise or exit as if it were the program: then the child ends
    here, before every row is written twice and every answer sent twice.
    """
    here = os.getpid()
    try:
        yield
    finally:
        if os.getpid() != here:
            error = sys.exc_info()[1]
            os._exit(0 if error is None or (isinstance(error, SystemExit) and not error.code) else 1)


def check_rankings(rankings: object, groups: Sequence[Group], name: str) -> list[Ranking]:
    """What a ranker returned, if it is one `Ranking` per group with one score per image.

    Else raises `BrokenRanker`.
    """
    if not isinstance(rankings, Sequence) or not all(isinstance(ranking, Ranking) for ranking in rankings):
        raise BrokenRanker(
            f"{name} returned {str(rankings)[:80]}, not a list of Ranking; try: rankkit check {name}"
        )
    if len(rankings) != len(groups):
        raise BrokenRanker(
            f"{name} returned {len(rankings)} rankings for {len(groups)} groups; try: rankkit check {name}"
        )
    for ranking, group in zip(rankings, groups, strict=True):
        if len(ranking.scores) != len(group.images):
            raise BrokenRanker(
                f"{name} returned {len(ranking.scores)} scores for {len(group.images)} images; try: rankkit "
                f"check {name}"
            )
    return list(rankings)


def abstention(group: Group, reason: str, kind: Kind = "listwise") -> Ranking:
    """A ranking in which every image abstains, for this reason."""
    count = len(group.images)
    return Ranking((math.nan,) * count, kind, None, ({"error": reason},) * count)


class LazyRanker:
    """A ranker that is built with the first groups it is asked to rank.

    Who needs no ranking loads no weights.
    """

    def __init__(self, name: str, load: Callable[[], Ranker]) -> None:
        self.name = name
        self._load = load
        self._ranker: Ranker | None = None

    @property
    def kind(self) -> Kind:
        """That of the ranker, once it is built."""
        return "listwise" if self._ranker is None else kind_of(self._ranker)

    @property
    def built(self) -> Ranker | None:
        """The ranker, once it is built."""
        return self._ranker

    def build(self) -> Ranker:
        """The ranker, built once. Raises whatever building it raises."""
        if self._ranker is None:
            with in_this_process():
                self._ranker = self._load()
        return self._ranker

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """Rankings whose shape was checked.

        Raises whatever the ranker raises, and `BrokenRanker` for a wrong shape.
        """
        ranker = self.build()
        with in_this_process():
            return check_rankings(ranker.rank(groups), groups, self.name) if groups else []


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
                    errors[place] = ranking.reason(at) or "the ranker abstained and did not say why"
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
