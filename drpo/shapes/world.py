"""The vocabulary of the shapes world, its prompts in the six kinds of GenEval, and what a prompt asks for.

The kinds are those of GenEval (Ghosh et al., arXiv 2310.11513): single, two, counting, colors, position,
attribution.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from rankkit import RankkitError

Task = Literal["single", "two", "counting", "colors", "position", "attribution"]
Split = Literal["train", "tuning", "final"]

TASKS: tuple[Task, ...] = get_args(Task)
SHAPES = ("circle", "square", "triangle", "cross")
PLURALS = {"circles": "circle", "squares": "square", "triangles": "triangle", "crosses": "cross"}
COLORS = ("red", "green", "blue", "yellow")
RELATIONS = ("left of", "right of", "above", "below")
NUMBERS = {"two": 2, "three": 3, "four": 4}
MEDIA = ("a photo of", "a picture of", "a drawing of", "a painting of", "a sketch of", "a print of")

# prompts per task; train takes what there is up to this
SIZES: dict[Split, int] = {"final": 8, "tuning": 6, "train": 24}


@dataclass(frozen=True, slots=True)
class Clause:
    """`count` objects of one `shape`, of `color` if that is asked.

    `relation` places them against the prompt's first clause.
    """

    shape: str
    count: int = 1
    color: str | None = None
    relation: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What one prompt asks for.

    In a position prompt "A above B" the clauses are B, then A with its relation, as in GenEval.
    """

    task: Task
    clauses: tuple[Clause, ...]


def parse(prompt: str) -> Request:
    """The request a prompt makes; raises `RankkitError` for a prompt that is not of this world."""
    words = prompt.strip().lower()
    for medium in MEDIA:
        if words.startswith(medium + " "):
            for pattern, task in _GRAMMAR:
                if found := re.fullmatch(pattern, words[len(medium) + 1 :]):
                    return Request(task, _clauses(task, found.groupdict()))
    raise RankkitError(f"the shapes world cannot read the prompt {prompt!r}; it knows e.g. {_example()!r}")


def prompts(split: Split) -> list[str]:
    """The prompts of one split, the same in every process; the three splits are disjoint and hold every
    task.
    """
    return [prompt for task in TASKS for prompt in _split(task)[split]]


def every_prompt(task: Task, *, media: Iterable[str] = MEDIA) -> Iterator[str]:
    """All prompts of one task, each in every phrasing."""
    for medium, body in itertools.product(media, _bodies(task)):
        yield f"{medium} {body}"


def _bodies(task: Task) -> Iterator[str]:
    pairs = list(itertools.permutations(SHAPES, 2))
    if task == "single":
        yield from (f"a {shape}" for shape in SHAPES)
    elif task == "two":
        yield from (f"a {a} and a {b}" for a, b in pairs)
    elif task == "counting":
        yield from (f"{number} {plural}" for number in NUMBERS for plural in PLURALS)
    elif task == "colors":
        yield from (f"a {color} {shape}" for color in COLORS for shape in SHAPES)
    elif task == "position":
        yield from (f"a {a} {relation} a {b}" for relation in RELATIONS for a, b in pairs)
    else:
        yield from (
            f"a {c} {a} and a {d} {b}" for a, b in pairs for c, d in itertools.permutations(COLORS, 2)
        )


def _split(task: Task) -> dict[Split, list[str]]:
    pool = sorted(every_prompt(task))
    random.Random(f"shapes/{task}").shuffle(pool)
    parts: dict[Split, list[str]] = {}
    for name, size in SIZES.items():
        parts[name], pool = pool[:size], pool[size:]
    return parts


def _clauses(task: Task, found: dict[str, str]) -> tuple[Clause, ...]:
    if task == "counting":
        return (Clause(PLURALS[found["a"]], NUMBERS[found["n"]]),)
    first = Clause(found["a"], color=found.get("c"), relation=found.get("r"))
    if "b" not in found:
        return (first,)
    second = Clause(found["b"], color=found.get("d"))
    return (second, first) if task == "position" else (first, second)


def _one_of(words: Iterable[str], name: str) -> str:
    return f"(?P<{name}>{'|'.join(words)})"


_A, _B = _one_of(SHAPES, "a"), _one_of(SHAPES, "b")
_GRAMMAR: tuple[tuple[str, Task], ...] = (
    (f"a {_A}", "single"),
    (f"a {_A} and a {_B}", "two"),
    (f"{_one_of(NUMBERS, 'n')} {_one_of(PLURALS, 'a')}", "counting"),
    (f"a {_one_of(COLORS, 'c')} {_A}", "colors"),
    (f"a {_A} {_one_of(RELATIONS, 'r')} a {_B}", "position"),
    (f"a {_one_of(COLORS, 'c')} {_A} and a {_one_of(COLORS, 'd')} {_B}", "attribution"),
)


def _example() -> str:
    return f"{MEDIA[0]} a {COLORS[0]} {SHAPES[0]} and a {COLORS[2]} {SHAPES[1]}"
