"""Candidates for rankers that mostly say the same: more rounds of noises until best and worst differ, without
storing a graph.

A 0/1 reward says nothing about a group that passes or fails as a whole. So up to `max_rounds` groups are
sampled and ranked, only their noises and scores are kept, and the noises worth learning from are sampled once
more, with a graph (arXiv 2606.02521).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from drpo.preference import Anchors, split
from drpo.types import Generator, Sample
from rankkit import Ranking


def search(
    generator: Generator,
    prompt: str,
    noises: Iterable[Tensor],
    order: Callable[[Sample], Ranking],
    anchors: int,
) -> tuple[Tensor, Ranking, Ranking]:
    """The noises worth a graph, at most `anchors` best and as many worst, with their ranking, and the ranking
    of all that were sampled.

    It stops at the first clean split. When no round splits cleanly, whatever preference all of them together
    hold is returned, and with none, the last round.
    """
    seen, scores, found = list[Tensor](), list[float](), None
    for noise in noises:
        with torch.no_grad():
            ranking = order(generator.sample(prompt, noise))
        seen.append(noise)
        scores += ranking.scores
        found = split(Ranking(tuple(scores)), anchors)
        if found and clean(found, anchors):
            break
    if not found:
        return seen[-1], Ranking(tuple(scores[-len(seen[-1]) :])), Ranking(tuple(scores))
    chosen = _first(found.positive, found.positive_weight, anchors) + _first(
        found.negative, found.negative_weight, anchors
    )
    return torch.cat(seen)[chosen], Ranking(tuple(scores[i] for i in chosen)), Ranking(tuple(scores))


def clean(found: Anchors, anchors: int) -> bool:
    """Whether both sides are full: nothing was cancelled between them and every place is taken."""
    return found.cancelled == 0 and math.isclose(sum(found.positive_weight), anchors)


def _first(members: tuple[int, ...], weights: tuple[float, ...], count: int) -> list[int]:
    """The surest `count` members; among equals the earliest, which is as good as chance because noises are
    drawn alike.
    """
    surest = sorted(zip(weights, members, strict=True), key=lambda one: (-one[0], one[1]))
    return [member for _, member in surest[:count]]
