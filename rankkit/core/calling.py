"""Asking a function by the names of its parameters, and taking whatever it answers: a failure of one image
stays one.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

from rankkit.core.types import Group, Ranking, Scored
from rankkit.errors import BrokenRanker, RunStopped

Columns = dict[str, list[Any]]

NAMES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "pointwise": (("image", "prompt", "metadata"), ("images", "prompts", "metadata")),
    "pairwise": (("first", "second", "prompt", "metadata"), ("firsts", "seconds", "prompts", "metadata")),
}


def ask(function: Callable[..., Any], kind: str, columns: Columns) -> list[Any]:
    """Call with the names it asks for; where a batch fails, or has a wrong length, ask one by one so that one
    failure stays one.
    """
    parameters = inspect.signature(function).parameters
    singular, plural = NAMES[kind]
    n = len(next(iter(columns.values())))
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    in_batches = (
        open_ended or any(name in parameters for name in plural if name not in singular)
    ) and not any(name in parameters for name in singular if name not in plural)
    names = {
        s: (p if in_batches else s)
        for s, p in zip(singular, plural, strict=True)
        if open_ended or (p if in_batches else s) in parameters
    }

    def batch(start: int, stop: int) -> list[Any]:
        answers = list(function(**{name: columns[key][start:stop] for key, name in names.items()}))
        if len(answers) != stop - start:
            raise BrokenRanker(
                f"it returned {len(answers)} scores for {stop - start} {'images' if kind == 'pointwise' else 'pairs'}"
            )
        return answers

    def single(k: int) -> Any:
        try:
            return (
                batch(k, k + 1)[0]
                if in_batches
                else function(**{name: columns[key][k] for key, name in names.items()})
            )
        except RunStopped:
            raise
        except Exception as error:
            return Scored(math.nan, details={"error": describe(error)})

    if in_batches and n > 0:
        try:
            return batch(0, n)
        except RunStopped:
            raise
        except Exception as error:
            if n == 1:
                return [Scored(math.nan, details={"error": describe(error)})]
    return [single(k) for k in range(n)]


def describe(error: BaseException) -> str:
    """An exception in one line: its type, unless it is one of ours, and its text."""
    text = " ".join(str(error).split())
    return (
        text if isinstance(error, BrokenRanker) and text else f"{type(error).__name__}: {text}".rstrip(": ")
    )


def scored(answer: object) -> Scored:
    """Whatever a ranker answered, as a finite `Scored` or an abstention that says why."""
    given = answer if isinstance(answer, Scored) else Scored(_number(answer))
    score = _number(given.score)
    if math.isfinite(score):
        return Scored(score, given.stderr, given.details)
    reason = given.details.get("error") or f"the ranker returned {_shown(answer)} instead of a finite number"
    return Scored(math.nan, None, {**given.details, "error": reason})


def fitting(rankings: Sequence[object], groups: Sequence[Group], name: str) -> list[Ranking]:
    """What a ranker returned, where that is one ranking per group and one score per image; else
    `BrokenRanker` with what it is.
    """
    if len(rankings) != len(groups):
        raise BrokenRanker(f"{name} returned {len(rankings)} rankings for {len(groups)} groups")
    found = [ranking for ranking in rankings if isinstance(ranking, Ranking)]
    if len(found) != len(rankings):
        raise BrokenRanker(f"{name} returned {str(list(rankings))[:80]}, not a list of Ranking")
    scores, images = [len(ranking.scores) for ranking in found], [len(group.images) for group in groups]
    if scores != images:
        raise BrokenRanker(
            f"{name}: groups of {images} images were answered with rankings of {scores} scores"
        )
    return found


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _shown(answer: object) -> str:
    return repr(answer.score if isinstance(answer, Scored) else answer)[:80]
