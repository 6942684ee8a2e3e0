"""The ways to become a ranker: score one image, compare two, or rank a group yourself.

A function is enough. Its ordinary parameters say what it wants to see, by name; its keyword-only parameters
are its options:

    @rankkit.pointwise
    def darkness(image): return -sum(image.resize((1, 1)).getpixel((0, 0)))

Names for pointwise: ``image, prompt, metadata``, or ``images, prompts, metadata`` to be given a whole batch
as lists. Names for pairwise: ``first, second, prompt, metadata``, or ``firsts, seconds, prompts, metadata``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from rankkit.core.binding import Call, Columns, bind, scored
from rankkit.core.stated import (
    DEGREE,
    PRIOR,
    batch_size_of,
    degree_of,
    prepare_of,
    prior_of,
    two_stages,
)
from rankkit.core.types import Group, Held, Kind, Ranker, Ranking, Scored

if TYPE_CHECKING:
    from PIL import Image

    from rankkit.core.pairing import Comparisons

    Asked = tuple[Comparisons, int, int]  # a call: of which group, the distinct images shown first and second


F = TypeVar("F", bound=Callable[..., Any])


def pointwise(function: F) -> F:
    """Mark a function that gives one image a number, higher is better. It stays an ordinary function."""
    function.__rankkit__ = "pointwise"  # type: ignore[attr-defined]
    return function


def pairwise(function: F) -> F:
    """Mark a function that gives P(first is better than second), in [0, 1]. It stays an ordinary function."""
    function.__rankkit__ = "pairwise"  # type: ignore[attr-defined]
    return function


class Pointwise:
    """A ranker that scores images one by one.

    Define `score`; keyword-only parameters of `__init__` are the options.

    `score` takes any of ``images``, ``prompts``, ``metadata`` (lists of one length, passed by keyword, only
    those it asks for) and returns one number per image, or a `Scored`. Where it raises for a batch, the
    images are tried one by one, so that only the one that fails abstains.

    A ranker with a model may have two stages: ``prepare(image)``, which makes of one image what the model
    sees of it, and a `score` that asks for ``prepared`` in place of ``images``: see `rankkit.core.two_stage`.
    """

    kind: ClassVar[Kind] = "pointwise"

    def score(self, *args: Any, **kwargs: Any) -> Any:
        """One number per image; higher is better; NaN or None abstains."""
        raise AssertionError(f"{type(self).__name__} must define score()")

    @cached_property
    def _two_stages(self) -> bool:
        return two_stages(self)

    @cached_property
    def _score_call(self) -> Call:
        return bind(self.score, "two-stage" if self._two_stages else "pointwise")

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """All images of all groups go to `score`: in one call, or in batches where there are two stages.

        The numbers come back as one ranking per group.
        """
        answers = iter([scored(answer) for answer in self.__answers(groups)])
        return [_ranking([next(answers) for _ in group.images], self.kind) for group in groups]

    def __answers(self, groups: Sequence[Group]) -> Sequence[Any]:
        if self._two_stages:
            from rankkit.core.two_stage import answers_of  # late: its threads are for these rankers only

            return answers_of(self, prepare_of(self), self._score_call, batch_size_of(self), groups)
        columns: Columns = {
            "image": [image for group in groups for image in group.images],
            "prompt": [group.prompt for group in groups for _ in group.images],
            "metadata": [group.metadata for group in groups for _ in group.images],
        }
        return self._score_call(columns)

    def __repr__(self) -> str:
        return _described(self, self.score)


class Pairwise:
    """A ranker that compares two images.

    Define `compare`; keyword-only parameters of `__init__` are the options.

    `compare` takes any of ``firsts``, ``seconds``, ``prompts``, ``metadata`` (lists; the singular names ask
    for one pair per call) and returns P(first is better) for each pair, or a `Scored` whose details say more
    (``error``, ``failure``: its kind in a word, ``tokens``, ``again``: P of the same call made once more).
    Every pair is asked in both orders and combined in logit space, which cancels a constant position bias. A
    failed call is a missing edge, never a tie; an image left without edges abstains. Scores are Bradley–Terry
    utilities in logits (maximum a posteriori), comparable within one group only.

    Up to 8 images every pair is asked; above, each image meets `degree` others
    (`rankkit.core.aggregate.schedule`). `prior` is the precision of the Gaussian prior on the utilities.
    """

    kind: ClassVar[Kind] = "pairwise"
    degree: int = DEGREE
    prior: float = PRIOR

    def compare(self, *args: Any, **kwargs: Any) -> Any:
        """P(first is better than second), in [0, 1]; NaN or None where the call failed."""
        raise AssertionError(f"{type(self).__name__} must define compare()")

    @cached_property
    def _compare_call(self) -> Call:
        return bind(self.compare, "pairwise")

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """All pairs of all groups go to `compare` in one call, each group's answers become one ranking.

        Of groups too large to be held decoded (a run streams those), as many pairs go there as memory allows.

        Where failed calls leave a group in parts that never met, the fewest pairs that would join them are
        asked in a second call.
        """
        from rankkit.core.pairing import Comparisons  # late: it needs numpy, and naming rankers does not

        degree, prior = degree_of(self), prior_of(self)
        each = [Comparisons(group, degree) for group in groups]
        self.__ask([(one, i, j) for one in each for i, j in one.calls])
        self.__ask([(one, i, j) for one in each for i, j in one.bridge()])
        return [one.ranking(prior) for one in each]

    def __ask(self, calls: Sequence[tuple[Comparisons, int, int]]) -> None:
        for some in _shown(calls):
            columns: Columns = {
                "first": [first for _, first, _ in some],
                "second": [second for _, _, second in some],
                "prompt": [one.group.prompt for (one, _, _), _, _ in some],
                "metadata": [one.group.metadata for (one, _, _), _, _ in some],
            }
            for ((one, i, j), _, _), answer in zip(some, self._compare_call(columns), strict=True):
                one.record(i, j, answer)

    def __repr__(self) -> str:
        return _described(self, self.compare)


def shown(name: str, options: Mapping[str, Any], kind: Kind, *more: str) -> str:
    """A ranker in one line for people: ``<ranker compressibility, quality=80, pointwise>``."""
    return (
        f"<ranker {', '.join([name, *(f'{key}={value!r}' for key, value in options.items()), kind, *more])}>"
    )


def loaded_as(ranker: Ranker, name: str, options: Mapping[str, Any]) -> Ranker:
    """The ranker itself, which shows the name and the options that it was loaded by from now on."""
    if isinstance(ranker, (Pointwise, Pairwise)):
        vars(ranker)["_loaded_as"] = name, dict(options)
    return ranker


def _shown(calls: Sequence[Asked]) -> Iterator[list[tuple[Asked, Image.Image, Image.Image]]]:
    """Calls with their images: all at once where the images are in memory.

    Else as many as `PIXELS` allow, decoded in threads. What cannot be decoded any more is a call that failed.
    """
    from rankkit.core.prefetch import prefetch

    for some, wanted in _runs(calls):
        had = {place: found for (place, _), found in prefetch(wanted, lambda one: one[1].fetch())}
        ready = []
        for one, i, j in some:
            first, second = (had.get((one, k)) or one.image(k) for k in (i, j))
            if isinstance(first, str) or isinstance(second, str):
                reason = first if isinstance(first, str) else second
                one.record(i, j, Scored(math.nan, details={"error": reason, "failure": "unreadable"}))
            else:
                ready.append(((one, i, j), first, second))
        yield ready


def _runs(calls: Sequence[Asked]) -> Iterator[tuple[list[Asked], list[tuple[tuple[Comparisons, int], Held]]]]:
    """Calls in runs, with those of their images that are to be decoded."""
    from rankkit.core.prefetch import PIXELS

    some: list[Asked] = []
    wanted: dict[tuple[Comparisons, int], Held] = {}
    pixels = 0
    for one, i, j in calls:
        some.append((one, i, j))
        for k in (i, j):
            held = one.held_image(k)
            if held is not None and (one, k) not in wanted:
                wanted[one, k] = held
                pixels += held.pixels
        if i > j and pixels >= PIXELS:  # both orders are there
            yield some, list(wanted.items())
            some, wanted, pixels = [], {}, 0
    if some:
        yield some, list(wanted.items())


def _described(ranker: Pointwise | Pairwise, function: Callable[..., Any]) -> str:
    """By the name it was loaded by; else a function by its name and options, a class by its name."""
    name, options = type(ranker).__name__, {}
    if "_loaded_as" in vars(ranker):
        name, options = vars(ranker)["_loaded_as"]
    elif isinstance(function, functools.partial):
        name, options = getattr(function.func, "__name__", repr(function.func)), function.keywords
    return shown(name, options, ranker.kind)


def _ranking(answers: Sequence[Scored], kind: Kind) -> Ranking:
    known = any(answer.stderr is not None for answer in answers)
    return Ranking(
        tuple(answer.score for answer in answers),
        kind,
        tuple(math.nan if answer.stderr is None else answer.stderr for answer in answers) if known else None,
        tuple(answer.details for answer in answers) if any(answer.details for answer in answers) else (),
    )
