"""Rankers in two stages, so that a model does not wait for images.

    class Score(rankkit.Pointwise):
        batch_size = 32

        def prepare(self, image): ...            # of one image what the model sees: an array
        def score(self, prepared, prompts): ...  # the model, on a full batch of these

`prepare` is pure: it leaves the image as it is, uses neither the model nor a device, and gives the same for
the same image. So it can run ahead, in threads (Pillow and numpy compute outside of Python's lock), while
the model is busy with the images before:

    images → prepare, in threads → batches of batch_size, across groups → score → one answer per image

What it makes is counted by its ``nbytes`` where it has them, so that memory stays bounded. An image that
comes several times as one object is prepared once. Where `prepare` fails, that image abstains, and the others
are scored.

`score` gets ``prepared`` in place of ``images``, beside ``prompts`` and ``metadata``: lists of at most
`batch_size` entries. It returns one number or `Scored` for each, or a function without arguments that gives
them: it is called when more batches are under way, so that a GPU computes while the next batch is sent to it,
and nobody waits for its answers in between.

A run has images decoded ahead, and prepares them there: a `PreparedGroup` brings along what was made. For
rankers that state the same ``preparation``, a text that says how images are prepared, it prepares each once.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from PIL import Image

from rankkit.core.binding import Call, describe
from rankkit.core.prefetch import prefetch
from rankkit.core.types import Group, Scored
from rankkit.errors import RunStopped

UNDER_WAY = 4  # batches whose answers are not waited for yet

Prepare = Callable[[Image.Image], Any]


@dataclass(frozen=True, slots=True)
class Made:
    """What `prepare` made of one image, or why it failed."""

    value: Any
    error: str = ""

    @property
    def pixels(self) -> int:
        """Its memory, in pixels of an RGB image."""
        return int(getattr(self.value, "nbytes", 0)) // 3


@dataclass(frozen=True, slots=True)
class PreparedGroup(Group):
    """A group with what the first stage of one ranker, `by`, made of some of its images."""

    made: tuple[tuple[Image.Image, Made], ...] = ()
    by: object = None


def make(prepare: Prepare, image: Image.Image) -> Made:
    """What `prepare` makes of an image. An exception is its answer, but for one that ends the run."""
    try:
        return Made(prepare(image))
    except RunStopped:
        raise
    except Exception as error:
        return Made(None, describe(error))


def answers_of(
    ranker: object, prepare: Prepare, score: Call, size: int, groups: Sequence[Group]
) -> list[Any]:
    """One answer per image of all groups, in order.

    Each full batch of `size` images is scored while the next is prepared.
    """
    entries = [(group, image) for group in groups for image in group.images]
    scoring = _Scoring(score, [group for group, _ in entries])
    # one more than a batch: what is given is no longer under way when the next is begun
    made = _made([image for _, image in entries], _known(ranker, groups), prepare, size + 1)
    ready = ((place, one.value) for place, one in enumerate(made) if scoring.fit(place, one))
    while batch := list(islice(ready, size)):
        scoring.begin(batch)
    scoring.finish()
    return scoring.answers


class _Scoring:
    """The batches that `score` was asked for, and the answers so far, at the places of their images."""

    def __init__(self, score: Call, groups: Sequence[Group]) -> None:
        self.score, self.groups = score, groups
        self.answers: list[Any] = [None] * len(groups)
        self.under_way: deque[tuple[list[int], Callable[[], list[Any]]]] = deque()

    def fit(self, place: int, made: Made) -> bool:
        """Whether there is something to score; else the reason is the answer."""
        if made.error:
            self.answers[place] = Scored(math.nan, details={"error": made.error})
        return not made.error

    def begin(self, batch: Sequence[tuple[int, Any]]) -> None:
        """Ask for a batch; wait for the first of those before it where they have become many."""
        if len(self.under_way) == UNDER_WAY:
            self._finish_first()
        places = [place for place, _ in batch]
        columns = {
            "prepared": [value for _, value in batch],
            "prompts": [self.groups[place].prompt for place in places],
            "metadata": [self.groups[place].metadata for place in places],
        }
        self.under_way.append((places, self.score.begin(columns)))

    def finish(self) -> None:
        """Wait for the answers of all batches."""
        while self.under_way:
            self._finish_first()

    def _finish_first(self) -> None:
        places, answers = self.under_way.popleft()
        for place, answer in zip(places, answers(), strict=True):
            self.answers[place] = answer


def _known(ranker: object, groups: Sequence[Group]) -> dict[int, Made]:
    """By the identity of its image what this ranker made of it before; the groups keep the images alive."""
    mine = [group for group in groups if isinstance(group, PreparedGroup) and group.by is ranker]
    return {id(image): made for group in mine for image, made in group.made}


def _made(
    images: Sequence[Image.Image], known: Mapping[int, Made], prepare: Prepare, ahead: int
) -> Iterator[Made]:
    """What `prepare` makes of each image, in order, each object once; held until it was given for the last
    time.
    """
    left, held = Counter(map(id, images)), dict(known)
    missing = {id(image): image for image in images if id(image) not in held}
    coming = prefetch(missing.values(), partial(make, prepare), lambda made: made.pixels, ahead=ahead)
    for image in images:
        if id(image) not in held:
            _, held[id(image)] = next(coming)
        yield held[id(image)]
        left[id(image)] -= 1
        if not left[id(image)]:
            del held[id(image)]
