"""Other fields of the preferences, with the arguments and the answer of `drpo.drift.drift_loss`, for one set
and the laplacian kernel.

Legend: N candidates, P positives, M negatives, T = N + M + P targets in this order, D dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from drpo.drift import SAME, drift_loss

ROUNDS = 50  # of Sinkhorn's scaling


@dataclass(frozen=True, slots=True)
class Points:
    """Distances of the candidates to all targets in units of the scale, the targets, their weights, and how
    many repel: candidates and negatives.
    """

    d_NT: Tensor
    t_TD: Tensor
    w_T: Tensor
    repelling: int


def moved(
    generated: Tensor, positive: Tensor, negative: Tensor, *, positive_weight: Tensor,
    negative_weight: Tensor, radii: Sequence[float], pull: Callable[[Points, float], Tensor], **same: object,
) -> tuple[Tensor, dict[str, Tensor]]:  # fmt: skip
    """The squared distance to the candidates moved by `pull`, the sum over radii, each of unit rms."""
    with torch.no_grad():
        g_ND, m_MD, p_PD = (points[0].detach().float() for points in (generated, negative, positive))
        t_TD = torch.cat([g_ND, m_MD, p_PD])
        w_T = torch.cat([torch.ones_like(g_ND[:, 0]), negative_weight.flatten(), positive_weight.flatten()])
        d_NT = torch.cdist(g_ND, t_TD, compute_mode="donot_use_mm_for_euclid_dist").clamp_min(SAME)
        scale = ((d_NT * w_T).sum() / (len(g_ND) * w_T.sum())).clamp_min(1e-3)
        unit = (scale / math.sqrt(g_ND.shape[1])).clamp_min(1e-3)
        points = Points(d_NT / scale, t_TD, w_T, len(g_ND) + len(m_MD))
        raws = torch.stack([pull(points, radius) / unit for radius in radii])
        rms = raws.square().mean((1, 2)).clamp_min(1e-8).sqrt()
        field_ND = (raws / rms[:, None, None]).sum(0)
    loss = ((generated[0].float() - g_ND) / unit - field_ND).square().mean()[None]
    return loss, {"scale": scale, "rms": rms, "field_rms": field_ND.square().mean().sqrt()[None]}


def coupled(points: Points, radius: float) -> Tensor:
    """The mean of the positives less that of the negatives, each by the entropic optimal coupling of all
    candidates with that side (Sinkhorn-Drifting Generative Models, arXiv 2603.12366).

    Every candidate gives as much as any other and every anchor receives by its weight, so that none is left
    out; the other candidates, which weigh next to nothing beside anchors, are.
    """
    count = len(points.d_NT)
    means = []
    for side in (slice(points.repelling, None), slice(count, points.repelling)):
        weights = points.w_T[side] / points.w_T[side].sum()
        rows = torch.full_like(points.d_NT[:, 0], 1 / count)
        means.append(count * plan(-points.d_NT[:, side] / radius, rows, weights) @ points.t_TD[side])
    return means[0] - means[1]


def plan(logits_NM: Tensor, rows_N: Tensor, columns_M: Tensor, rounds: int = ROUNDS) -> Tensor:
    """The coupling (N,M) that is exp(logits) up to a factor per row and per column, with these sums of rows,
    exactly, and of columns, nearly.
    """
    f_N = torch.zeros_like(rows_N)
    for _ in range(rounds):
        g_M = columns_M.log() - (logits_NM + f_N[:, None]).logsumexp(0)
        f_N = rows_N.log() - (logits_NM + g_M).logsumexp(1)
    return (logits_NM + f_N[:, None] + g_M).exp()


def self_excluding(*points: Tensor, **given: Any) -> tuple[Tensor, dict[str, Tensor]]:
    """The authors' field, in which an anchor does not see its own copy: a field of `drift_loss` itself."""
    return drift_loss(*points, **{**given, "field": "self_excluding"})


sinkhorn = partial(moved, pull=coupled)
