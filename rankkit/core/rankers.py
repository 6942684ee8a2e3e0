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
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from rankkit.core.calling import NAMES, Columns, ask, scored
from rankkit.core.types import Group, Kind, Ranker, Ranking, Scored
from rankkit.errors import BadOption, BrokenRanker

if TYPE_CHECKING:
    from rankkit.core.pairing import Match

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
    """A ranker that scores images one by one. Define `score`; keyword-only parameters of `__init__` are the
    options.

    `score` takes any of ``images``, ``prompts``, ``metadata`` (lists of one length, passed by keyword, only
    those it asks for) and returns one number per image, or a `Scored`. Where it raises for a batch, the
    images are tried one by one, so that only the culprit abstains.
    """

    kind: ClassVar[Kind] = "pointwise"

    def score(self, *args: Any, **kwargs: Any) -> Any:
        """One number per image; higher is better; NaN or None abstains."""
        raise AssertionError(f"{type(self).__name__} must define score()")

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """All images of all groups go to `score` in one call; the numbers come back as one ranking per group.
        """
        columns: Columns = {
            "image": [image for group in groups for image in group.images],
            "prompt": [group.prompt for group in groups for _ in group.images],
            "metadata": [group.metadata for group in groups for _ in group.images],
        }
        answers = [scored(answer) for answer in ask(self.score, "pointwise", columns)]
        rankings, start = [], 0
        for group in groups:
            rankings.append(_ranking(answers[start : start + len(group.images)], self.kind))
            start += len(group.images)
        return rankings


class Pairwise:
    """A ranker that compares two images. Define `compare`; keyword-only parameters of `__init__` are the
    options.

    `compare` takes any of ``firsts``, ``seconds``, ``prompts``, ``metadata`` (lists; the singular names ask
    for one pair per call) and returns P(first is better) for each pair, or a `Scored` whose details say more
    (``error``, ``failure``: its kind in a word, ``tokens``). Every pair is asked in both seats and combined
    in logit space, which cancels a constant liking for one seat. A failed call is a missing edge, never a
    tie; an image left without edges abstains. Scores are Bradley–Terry utilities in logits (maximum a
    posteriori), comparable within one group only. Up to 8 images every pair is asked; above, each image meets
    `degree` others (`rankkit.core.aggregate.schedule`).
    """

    kind: ClassVar[Kind] = "pairwise"
    degree: int = 8
    prior: float = 0.1

    def compare(self, *args: Any, **kwargs: Any) -> Any:
        """P(first is better than second), in [0, 1]; NaN or None where the call failed."""
        raise AssertionError(f"{type(self).__name__} must define compare()")

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """All pairs of all groups go to `compare` in one call, each group's answers become one ranking.

        Where failed calls leave a group in parts that never met, the fewest pairs that would join them are
        asked in a second call.
        """
        from rankkit.core.pairing import Match  # late: it needs numpy, and naming rankers does not

        matches = [Match(group, self.degree) for group in groups]
        self.__ask([(match, i, j) for match in matches for i, j in match.calls])
        self.__ask([(match, i, j) for match in matches for i, j in match.bridge()])
        return [match.ranking(self.prior) for match in matches]

    def __ask(self, calls: Sequence[tuple[Match, int, int]]) -> None:
        columns: Columns = {
            "first": [match.images[i] for match, i, _ in calls],
            "second": [match.images[j] for match, _, j in calls],
            "prompt": [match.group.prompt for match, _, _ in calls],
            "metadata": [match.group.metadata for match, _, _ in calls],
        }
        for (match, i, j), answer in zip(calls, ask(self.compare, "pairwise", columns), strict=True):
            match.record(i, j, answer)


def build(target: object, /, **options: Any) -> Ranker:
    """Make a ranker of a class, a function (marked or with the names above) or something that ranks already.

    Raises `BrokenRanker` when `target` is none of these.
    """
    ranker: object = target
    if inspect.isclass(target):
        ranker = target(**options)
    elif callable(target) and not hasattr(target, "rank"):
        ranker = _from_function(target, options)
    elif options:
        raise BrokenRanker(f"{target!r} is built already and takes no options ({', '.join(options)})")
    if not isinstance(ranker, Ranker):
        raise BrokenRanker(
            f"{target!r} has no rank(groups); subclass rankkit.Pointwise or Pairwise, or mark a function with @rankkit.pointwise"
        )
    return ranker


def kind_of(target: object) -> Kind:
    """Whether a ranker, a class or a function is pointwise, pairwise or listwise (which is what it is when it
    says nothing).
    """
    if inspect.isfunction(target) or isinstance(target, functools.partial):
        return _function_kind(target) or "listwise"
    return getattr(target, "kind", "listwise")


def needs_prompt(target: object) -> bool:
    """Whether a ranker, a class or a function cannot do without a prompt: it asks for one and has no default
    for it.
    """
    stated = getattr(target, "needs_prompt", None)
    if stated is not None:
        return bool(stated)
    asks = getattr(target, "score", None) or getattr(target, "compare", None) or target
    if not callable(asks):
        return False
    parameters = inspect.signature(asks).parameters
    return any(
        name in parameters and parameters[name].default is inspect.Parameter.empty
        for name in ("prompt", "prompts")
    )


def _from_function(function: Callable[..., Any], options: Mapping[str, Any]) -> Ranker:
    kind = _function_kind(function)
    name = getattr(function, "__name__", repr(function))
    if kind is None:
        raise BrokenRanker(
            f"{name}{inspect.signature(function)} is no ranker: name its arguments image, prompt, metadata (or first, second, …)"
        )
    singular, plural = NAMES[kind]
    for parameter in inspect.signature(function).parameters.values():
        known = parameter.name in singular + plural
        if not known and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise BrokenRanker(
                f"{name}() takes {parameter.name!r}, which rankkit cannot give: a {kind} function's arguments are "
                f"{', '.join(singular)} (or {', '.join(plural)}); options come after a bare *"
            )
    ranker: Pointwise | Pairwise = Pointwise() if kind == "pointwise" else Pairwise()
    bound = functools.partial(function, **options)
    try:
        inspect.signature(bound)
    except ValueError:  # which does not say more
        raise BadOption(
            f"{name}{inspect.signature(function)} has no such option: {', '.join(options)}"
        ) from None
    setattr(ranker, "score" if kind == "pointwise" else "compare", bound)
    return ranker


def _function_kind(function: Callable[..., Any]) -> Kind | None:
    marked: Kind | None = getattr(function, "__rankkit__", None)
    if marked is not None:
        return marked
    names = set(inspect.signature(function).parameters)
    if names & {"first", "firsts"}:
        return "pairwise"
    return "pointwise" if names & {"image", "images"} else None


def _ranking(answers: Sequence[Scored], kind: Kind) -> Ranking:
    known = any(answer.stderr is not None for answer in answers)
    return Ranking(
        tuple(answer.score for answer in answers),
        kind,
        tuple(math.nan if answer.stderr is None else answer.stderr for answer in answers) if known else None,
        tuple(answer.details for answer in answers) if any(answer.details for answer in answers) else (),
    )
