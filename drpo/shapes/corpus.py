"""A training corpus that is wrong on purpose, and whose errors the noise decides.

The scene that belongs to a (prompt, noise) pair is a function of the prompt and of the noise's channel means.
In a share `MISTAKES` of cases that scene contradicts the prompt. A generator regressed onto these pairs draws
sharp and varied images of which about half are wrong, and the candidates of one prompt differ in exactly
what a ranker can see.

Objects stand in the four corners only; apart from colours left open and mistakes, one sign decides where: a
small network can learn it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from drpo.shapes.render import Scene, Thing
from drpo.shapes.world import COLORS, SHAPES, Clause, Request

T = TypeVar("T")
MISTAKES = 0.42
LOW, HIGH = 8.0, 24.0
RING = ((LOW, LOW), (HIGH, LOW), (HIGH, HIGH), (LOW, HIGH))
COMBINED = (("red", "blue"), ("green", "yellow"))  # colours of two objects where both are left open
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
# five numbers in (0, 1): mistake, which one, place, and two for the colours left open
Draws = Sequence[float]


def draws(noise: NDArray[np.float32]) -> NDArray[np.float64]:
    """(S,5) independent uniforms from standard normal noise (S,C,h,w): its first channels' means, through the
    normal distribution.
    """
    z = noise[:, :5].astype(np.float64).mean(axis=(2, 3)) * math.sqrt(noise.shape[2] * noise.shape[3])
    return 0.5 * (1 + np.vectorize(math.erf)(z / math.sqrt(2)))


def scene(request: Request, u: Draws, *, mistakes: float = MISTAKES) -> Scene:
    """What the corpus shows for a request and five uniforms; ``mistakes=0`` is the flawless corpus."""
    return _LAYOUTS[request.task](request.clauses, u, u[0] < mistakes)


def _pick(options: Sequence[T], u: float) -> T:
    """One of the first two, by a sign; the only one, where there is one."""
    return options[int(u > 0.5) % len(options)]


def _four(options: Sequence[T], u: float, v: float) -> T:
    """One of four, by two signs."""
    return options[2 * (u > 0.5) + (v > 0.5)]


def _others(options: Sequence[str], *known: str) -> list[str]:
    return [option for option in options if option not in known]


def _single(clauses: tuple[Clause, ...], u: Draws, wrong: bool) -> Scene:
    shape = clauses[0].shape
    shape = _pick(_others(SHAPES, shape), u[1]) if wrong else shape
    return (Thing(shape, _four(COLORS, u[3], u[4]), LOW, _pick((LOW, HIGH), u[2])),)


def _colors(clauses: tuple[Clause, ...], u: Draws, wrong: bool) -> Scene:
    color = clauses[0].color or COLORS[0]
    color = _pick(_others(COLORS, color), u[1]) if wrong else color
    return (Thing(clauses[0].shape, color, LOW, _pick((LOW, HIGH), u[2])),)


def _pair(a: tuple[str, str], b: tuple[str, str], relation: str, u: float) -> Scene:
    """Two objects, each (shape, colour), the first in the given relation to the second, on the upper or left
    lane or the other.
    """
    near, far = (LOW, HIGH) if relation in ("left of", "above") else (HIGH, LOW)
    lane = _pick((LOW, HIGH), u)
    if relation in ("left of", "right of"):
        return Thing(*a, near, lane), Thing(*b, far, lane)
    return Thing(*a, lane, near), Thing(*b, lane, far)


def _two(clauses: tuple[Clause, ...], u: Draws, wrong: bool) -> Scene:
    a, b = clauses[0].shape, clauses[1].shape
    if wrong:
        a, b = _pick(((a, a), (b, b)), u[1])
    c, d = _pick(COMBINED, u[3])
    return _pair((a, c), (b, d), "left of", u[2])


def _position(clauses: tuple[Clause, ...], u: Draws, wrong: bool) -> Scene:
    target, placed = clauses
    relation = placed.relation or "above"
    relation = OPPOSITE[relation] if wrong else relation
    c, d = _pick(COMBINED, u[3])
    return _pair((placed.shape, c), (target.shape, d), relation, u[2])


def _attribution(clauses: tuple[Clause, ...], u: Draws, wrong: bool) -> Scene:
    a, b = clauses
    c, d = a.color or COLORS[0], b.color or COLORS[1]
    if wrong:
        c, d = _pick(((d, c), (c, c)), u[1])
    return _pair((a.shape, c), (b.shape, d), "left of", u[2])


def _counting(clauses: tuple[Clause, ...], u: Draws, wrong: bool) -> Scene:
    count = clauses[0].count
    count = _pick({2: (1, 3), 3: (2, 4), 4: (3,)}[count], u[1]) if wrong else count
    start, color = _pick((0, 2), u[2]), _four(COLORS, u[3], u[4])
    return tuple(Thing(clauses[0].shape, color, *RING[(start + i) % 4]) for i in range(count))


_LAYOUTS: dict[str, Callable[[tuple[Clause, ...], Draws, bool], Scene]] = {
    "single": _single,
    "two": _two,
    "counting": _counting,
    "colors": _colors,
    "position": _position,
    "attribution": _attribution,
}
