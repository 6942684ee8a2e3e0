"""What flows: a `Group` of images goes in, a `Ranking` of them comes out, a `Ranker` does that."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args, overload, runtime_checkable

from PIL import Image

from rankkit.core.images import to_rgb
from rankkit.errors import RankkitError

Kind = Literal["pointwise", "pairwise", "listwise"]


@dataclass(frozen=True, slots=True)
class Group:
    """Candidate images for one prompt, to be ordered against each other.

    `images` are 8-bit RGB, the one currency every ranker accepts; other Pillow modes are converted.
    `id` is stable and joins rows to rows; `names` has one entry per image (a path, or ``"step-40/3"``) or
    none at all; `metadata` is whatever the prompt came with, such as its GenEval clauses.
    Raises `RankkitError` when an image is not a Pillow image or `names` has another length than `images`.
    """

    prompt: str
    images: tuple[Image.Image, ...]
    id: str = ""
    names: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.prompt, str):
            raise RankkitError(
                f"a group's prompt is a string, not {type(self.prompt).__name__}; are prompt and images "
                f"swapped?"
            )
        if isinstance(self.images, (str, bytes)) or not isinstance(self.images, Sequence):
            raise RankkitError(
                f"a group's images are a sequence of Pillow images, not {type(self.images).__name__}"
            )
        for index, image in enumerate(self.images):
            if not isinstance(image, Image.Image):
                raise RankkitError(
                    f"image {index} of a group is {type(image).__name__}, not a Pillow image; open it with "
                    f"PIL.Image.open"
                )
        object.__setattr__(
            self, "images", tuple(_rgb(index, image) for index, image in enumerate(self.images))
        )
        object.__setattr__(self, "names", tuple(self.names))
        if self.names and len(self.names) != len(self.images):
            raise RankkitError(
                f"a group has {len(self.images)} images and {len(self.names)} names; give one name per "
                f"image, or none"
            )


Fetch = Callable[[], Image.Image | str]  # the image, or the reason why it cannot be had any more


@dataclass(frozen=True, slots=True)
class Held:
    """One image of such a group: its content (`images.content_hash`), its pixels, and how to have it."""

    content: str
    pixels: int
    fetch: Fetch


class HeldImages(Sequence[Image.Image]):
    """Images that are decoded each time one is asked for.

    Raises `RankkitError` for one that can be had no more.
    """

    def __init__(self, held: Sequence[Held]) -> None:
        self.held = held

    def __len__(self) -> int:
        return len(self.held)

    @overload
    def __getitem__(self, place: int) -> Image.Image: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Image.Image, ...]: ...
    def __getitem__(self, place: int | slice) -> Image.Image | tuple[Image.Image, ...]:
        if isinstance(place, slice):
            return tuple(self[i] for i in range(len(self))[place])
        found = self.held[place].fetch()
        if isinstance(found, str):
            raise RankkitError(found)
        return found


@dataclass(frozen=True, slots=True)
class StreamedGroup(Group):
    """A group too large to be held decoded, for rankers that look at two images at a time.

    Its images are a `HeldImages`. Whoever asks for all of them has them all in memory.
    """

    def __post_init__(self) -> None:
        assert isinstance(self.images, HeldImages) and len(self.names) == len(self.images)


@dataclass(frozen=True, slots=True)
class Ranking:
    """One ranker's verdict on one group, aligned with ``group.images``.

    `scores`: higher is better; NaN means that the ranker abstained (failed, refused, unreadable). Infinite
    scores are refused. `kind` says how the scores came about: only pointwise ones can be compared with scores
    of another group. `stderr`, where the ranker knows it, is in the unit of the scores, and NaN for a score
    whose error it does not know; negative ones are refused. `details` is evidence
    per candidate: reason, boxes, raw reply, truncation, and ``error`` for an abstention.

    >>> Ranking((0.2, 0.9, 0.9)).ranks
    (3.0, 1.5, 1.5)
    """

    scores: tuple[float, ...]
    kind: Kind = "listwise"
    stderr: tuple[float, ...] | None = None
    details: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "scores", tuple(float(score) for score in self.scores))
            if self.stderr is not None:
                object.__setattr__(self, "stderr", tuple(float(error) for error in self.stderr))
        except (TypeError, ValueError, OverflowError) as error:  # the last: an int beyond all floats
            raise RankkitError(
                f"a ranking's scores and standard errors are numbers (NaN to abstain): {error}"
            ) from None
        object.__setattr__(self, "details", tuple(self.details))
        if self.kind not in get_args(Kind):
            raise RankkitError(f"a ranking's kind is one of {', '.join(get_args(Kind))}, not {self.kind!r}")
        for index, score in enumerate(self.scores):
            if math.isinf(score):
                raise RankkitError(f"score {index} is {score}; scores are finite, or NaN to abstain")
        if self.stderr is not None and len(self.stderr) != len(self.scores):
            raise RankkitError(
                f"a ranking has {len(self.scores)} scores and {len(self.stderr)} standard errors; give one "
                f"each, or None"
            )
        for index, spread in enumerate(self.stderr or ()):
            if spread < 0:
                raise RankkitError(
                    f"the standard error of score {index} is {spread}; it is 0 or more, or NaN if not known"
                )
        if self.details and len(self.details) != len(self.scores):
            raise RankkitError(
                f"a ranking has {len(self.scores)} scores and {len(self.details)} details; give one each, or "
                f"none"
            )

    @property
    def ranks(self) -> tuple[float, ...]:
        """1 is best, ties share their mean rank, NaN stays NaN."""
        return ranks(self.scores)

    def reason(self, place: int) -> str:
        """Why the candidate at a place was abstained on; empty where its details do not say."""
        return str(self.details[place].get("error") or "") if self.details else ""


@dataclass(frozen=True, slots=True)
class Scored:
    """One score with what is known about it: what a pointwise ranker may return in place of a bare number."""

    score: float
    stderr: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Identity:
    """Which ranker a row is by: name, version and options.

    The name is as the user wrote it, without options. `weights` are those of a panel's members by their
    specs, None for any other ranker.
    """

    ranker: str
    version: str
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, float] | None = None


@runtime_checkable
class Ranker(Protocol):
    """Anything that orders the images of each group.

    One `Ranking` per `Group`, in order, aligned with its images.
    """

    def rank(self, groups: Sequence[Group], /) -> Sequence[Ranking]:
        """Order each group.

        A candidate that cannot be judged gets NaN and ``details["error"]``; it never raises for one image.
        """
        ...


def ranks(scores: Sequence[float]) -> tuple[float, ...]:
    """Tie-aware ranks of scores, higher is better: 1 is best, equals share their mean rank, NaN stays NaN.

    >>> ranks([3.0, float("nan"), 3.0, 1.0])
    (1.5, nan, 1.5, 3.0)
    """
    result = [math.nan] * len(scores)
    order = sorted((i for i, score in enumerate(scores) if not math.isnan(score)), key=lambda i: -scores[i])
    start = 0
    while start < len(order):
        stop = start
        while stop < len(order) and scores[order[stop]] == scores[order[start]]:
            stop += 1
        for i in order[start:stop]:
            result[i] = (start + 1 + stop) / 2
        start = stop
    return tuple(result)


def _rgb(index: int, image: Image.Image) -> Image.Image:
    try:
        return to_rgb(image)
    except (ValueError, OSError) as error:
        raise RankkitError(f"image {index} of a group cannot be made 8-bit RGB: {error}") from None
