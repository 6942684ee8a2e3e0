"""The drift: which way each feature should move, and the loss whose gradient moves it there. Tensors alone.

Sources: Drifting Preference Optimization (Jiang, Wen, Liu; arXiv 2606.02521) and Generative Modeling via
Drifting (Deng et al.; arXiv 2602.04770).

Legend, as suffixes of names: B independent sets per call, N generated points, P positives, M negatives,
T = N + M + P targets (generated, then negatives, then positives), D feature dimensions, R rows of one tile of
N. Everything is float32 whatever comes in. No N×T×D tensor is ever made, and of N×T only one tile of rows
exists at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from drpo.choices import Field, Kernel

Weight = float | Tensor

TILE = 2**22  # entries of one R×T tile (16 MiB in float32); a few of them are alive at a time
EXACT_UP_TO = 2**30  # multiplications N·T·D: up to here distances are exact, above it from a matrix product
SELF_LOGIT = -100.0  # added, over the radius, to a point's logit with itself: the official way of masking
AFFINITY_FLOOR = 1e-6  # of a product of two softmaxes, in the official field
SAME = 1e-4  # distances are floored here; at the floor two points are copies of each other
ROUNDING = 2e-3  # of two points' norms: a matrix product cannot tell smaller distances from zero, so copies


@dataclass(frozen=True, slots=True)
class _Problem:
    """One call's constants. Points are centred on the generated mean: the field only knows differences."""

    g_BND: Tensor
    t_BTD: Tensor
    w_BT: Tensor
    norm_BT: Tensor  # of the targets, the first of which are the generated points
    positives: int
    mask_negative_self: bool
    kernel: Kernel
    exact: bool

    @property
    def first_positive(self) -> int:
        """Where the positive columns begin; all before it repel."""
        return self.t_BTD.shape[1] - self.positives

    def tiles(self) -> Iterator[tuple[slice, Tensor]]:
        """Slices of rows with their distances d_BRT (for cosine too: the scale is made of distances)."""
        batch, points, _ = self.g_BND.shape
        rows = max(1, TILE // (batch * self.t_BTD.shape[1]))
        mode = "donot_use_mm_for_euclid_dist" if self.exact else "use_mm_for_euclid_dist"
        for start in range(0, points, rows):
            here = slice(start, min(start + rows, points))
            d_BRT = torch.cdist(self.g_BND[:, here], self.t_BTD, compute_mode=mode).clamp_min(SAME)
            yield here, d_BRT if self.exact else d_BRT.masked_fill_(d_BRT < self.rounding(here), SAME)

    def rounding(self, rows: slice) -> Tensor:
        """(B,R,T): what distances that were made by a matrix product may be off by where they are small."""
        return torch.hypot(self.norm_BT[:, rows, None], self.norm_BT[:, None]).mul_(ROUNDING)

    def logits(self, rows: slice, d_BRT: Tensor, scale: Tensor, radius: float) -> Tensor:
        """How alike two points are, before any mask; larger is nearer."""
        if self.kernel == "cosine":
            unit = torch.nn.functional.normalize
            return unit(self.g_BND[:, rows], dim=-1) @ unit(self.t_BTD, dim=-1).mT / radius
        near_BRT = d_BRT / (scale * radius)
        return -near_BRT if self.kernel == "laplacian" else -near_BRT.square() / 2

    def is_self(self, rows: slice, *, pairs: bool = False) -> Tensor:
        """(R,T) true where a target is the row itself: in the generated block, and in the others where they
        are copies of it.

        `pairs` adds the diagonal of the positives: the reference sample made from the row's own noise.
        """
        points, targets = self.g_BND.shape[1], self.t_BTD.shape[1]
        mask_RT = torch.zeros(rows.stop - rows.start, targets, dtype=torch.bool, device=self.g_BND.device)
        blocks = [0] + [points] * self.mask_negative_self + [self.first_positive] * pairs
        at = torch.arange(rows.start, rows.stop, device=mask_RT.device)
        for block in blocks:
            mask_RT[at - rows.start, block + at] = True
        return mask_RT


def drift_loss(
    generated: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    positive_weight: Weight,
    negative_weight: Weight,
    radii: Sequence[float],
    kernel: Kernel = "laplacian",
    mask_negative_self: bool = False,
    field: Field = "official",
) -> tuple[Tensor, dict[str, Tensor]]:
    """Squared distance of `generated` (B,N,D) to itself moved towards `positive` (B,P,D) and away from
    `negative` (B,M,D).

    The move is detached (arXiv 2606.02521, stop-gradient regression), so the gradient with respect to
    `generated` is minus the field, up to a factor. Weights are a number or one per anchor, (B,P) and (B,M);
    the other generated points repel with weight 1. `radii` are in units of the mean weighted distance (for
    `cosine`: temperatures). `mask_negative_self` says that the negatives *are* the generated points, row by
    row, as in the reference term.

    `field="official"` is the authors' published computation: affinities floored at 1e-3, every radius
    normalised to unit rms. `"self_excluding"` is that, but a point that is an anchor too does not see its own
    copy among the anchors, which else takes nearly its side's whole weight. `"masked"` lets no point act on a
    copy of itself, nor (with `mask_negative_self`) on its paired row of `positive`, and leaves the length of
    the move alone: the difference of two mean shifts, zero when both sides hold the same points.

    Returns the loss per set, (B,), and info: `scale` (the mean distance), `rms` per radius (of the raw
    field), `field_rms` (B,) the rms of the whole field. Scale and rms are taken over the whole call, sets
    included.
    """
    _check(generated, positive, negative, kernel, field)
    with torch.autocast(generated.device.type, enabled=False):
        weights = (positive_weight, negative_weight)
        problem = _problem(generated, positive, negative, *weights, mask_negative_self, kernel)
        with torch.no_grad():
            scale = _scale(problem)
            unit = (scale / math.sqrt(generated.shape[-1])).clamp_min(1e-3)
            field_BND, rms = _field(problem, scale, unit, tuple(radii), field)
        moved_BND = (generated.float() - generated.detach().float()) / unit
        loss_B = (moved_BND - field_BND).square().mean(dim=(1, 2))
    return loss_B, {"scale": scale, "rms": rms, "field_rms": field_BND.square().mean(dim=(1, 2)).sqrt()}


def _check(generated: Tensor, positive: Tensor, negative: Tensor, kernel: str, field: str) -> None:
    shapes = [tuple(points.shape) for points in (generated, positive, negative)]
    if any(len(shape) != 3 or shape[::2] != shapes[0][::2] or not shape[1] for shape in shapes):
        raise ValueError(
            f"generated, positive and negative are (B,N,D), (B,P,D) and (B,M,D), none empty; they "
            f"are {shapes}"
        )
    for name, value, known in (("kernel", kernel, get_args(Kernel)), ("field", field, get_args(Field))):
        if value not in known:
            raise ValueError(f"{name} is one of {', '.join(known)}, not {value!r}")


def _problem(
    generated: Tensor,
    positive: Tensor,
    negative: Tensor,
    positive_weight: Weight,
    negative_weight: Weight,
    masked: bool,
    kernel: Kernel,
) -> _Problem:
    g_BND, p_BPD, m_BMD = (points.detach().float() for points in (generated, positive, negative))
    if masked and m_BMD.shape != g_BND.shape:
        raise ValueError(
            f"mask_negative_self needs the generated points as negatives, {tuple(g_BND.shape)}, "
            f"not {tuple(m_BMD.shape)}"
        )
    weights = [_per_point(1.0, g_BND), _per_point(negative_weight, m_BMD), _per_point(positive_weight, p_BPD)]
    t_BTD = torch.cat([g_BND, m_BMD, p_BPD], dim=1)
    if kernel != "cosine":  # angles, unlike distances, know where the origin is
        centre = g_BND.mean(dim=1, keepdim=True)
        g_BND, t_BTD = g_BND - centre, t_BTD - centre
    exact = g_BND.numel() * t_BTD.shape[1] <= EXACT_UP_TO
    return _Problem(
        g_BND, t_BTD, torch.cat(weights, dim=1), t_BTD.norm(dim=2), p_BPD.shape[1], masked, kernel, exact
    )


def _per_point(weight: Weight, points: Tensor) -> Tensor:
    return torch.as_tensor(weight, dtype=torch.float32, device=points.device).expand(points.shape[:2])


def _scale(problem: _Problem) -> Tensor:
    device = problem.g_BND.device
    total = torch.zeros((), dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)
    for _, d_BRT in problem.tiles():
        total += (d_BRT * problem.w_BT[:, None]).sum(dtype=total.dtype)
    mean = total / (problem.g_BND.shape[1] * problem.w_BT.sum(dtype=total.dtype)).clamp_min(1e-30)
    return mean.float().clamp_min(1e-3)


def _field(
    problem: _Problem, scale: Tensor, unit: Tensor, radii: tuple[float, ...], field: Field
) -> tuple[Tensor, Tensor]:
    """The field F_BND in units of `unit`, and the rms of each radius' raw field."""
    columns = _column_lse(problem, scale, radii, field)
    pull = _masked_rows if field == "masked" else _official_rows
    raws = [torch.empty_like(problem.g_BND) for _ in radii]
    for rows, d_BRT in problem.tiles():
        for raw_BND, radius, column_BT in zip(raws, radii, columns, strict=True):
            logits_BRT = _masked_logits(problem, rows, d_BRT, scale, radius, field)
            raw_BND[:, rows] = pull(problem, logits_BRT, column_BT) / unit
    squares = torch.stack([raw_BND.square().mean() for raw_BND in raws])
    norms = torch.ones_like(squares) if field == "masked" else squares.clamp_min(1e-8).sqrt()
    field_BND = torch.zeros_like(problem.g_BND)
    for raw_BND, norm in zip(raws, norms, strict=True):
        field_BND += raw_BND / norm
    return field_BND, squares.sqrt()


def _masked_logits(
    problem: _Problem, rows: slice, d_BRT: Tensor, scale: Tensor, radius: float, field: Field
) -> Tensor:
    logits_BRT = problem.logits(rows, d_BRT, scale, radius)
    if field == "masked":
        paired = problem.mask_negative_self and problem.positives == problem.g_BND.shape[1]
        return logits_BRT.masked_fill(problem.is_self(rows, pairs=paired) | (d_BRT <= SAME), -math.inf)
    hidden = problem.is_self(rows)
    if field == "self_excluding" and not problem.mask_negative_self:
        hidden = hidden | (d_BRT <= SAME)
    return logits_BRT + hidden * (SELF_LOGIT / radius)


def _column_lse(problem: _Problem, scale: Tensor, radii: tuple[float, ...], field: Field) -> list[Tensor]:
    """Per radius, log Σ over all generated points of exp(logits), (B,T), accumulated tile by tile."""
    columns = [torch.full_like(problem.w_BT, -math.inf) for _ in radii]
    for rows, d_BRT in problem.tiles():
        for i, radius in enumerate(radii):
            tile_BT = _masked_logits(problem, rows, d_BRT, scale, radius, field).logsumexp(dim=1)
            columns[i] = torch.logaddexp(columns[i], tile_BT)
    return columns


def _official_rows(problem: _Problem, logits_BRT: Tensor, column_BT: Tensor) -> Tensor:
    """(m⁻ S⁺ − m⁺ S⁻), S = Σ A T, m = Σ A; a row's coefficients sum to 0, so its own position drops out."""
    row_BR1 = logits_BRT.logsumexp(dim=2, keepdim=True)
    product_BRT = (logits_BRT - row_BR1).exp() * (logits_BRT - column_BT[:, None]).exp()
    a_BRT = product_BRT.clamp_min(AFFINITY_FLOOR).sqrt() * problem.w_BT[:, None]
    split = problem.first_positive
    minus_BRT, plus_BRT = a_BRT[..., :split], a_BRT[..., split:]
    repel_BRD, attract_BRD = minus_BRT @ problem.t_BTD[:, :split], plus_BRT @ problem.t_BTD[:, split:]
    return minus_BRT.sum(2, keepdim=True) * attract_BRD - plus_BRT.sum(2, keepdim=True) * repel_BRD


def _masked_rows(problem: _Problem, logits_BRT: Tensor, column_BT: Tensor) -> Tensor:
    """μ⁺ − μ⁻: the mean of the positives less that of the repellers, by affinity; 0 where either lacks."""
    evidence_BRT = logits_BRT - column_BT[:, None].nan_to_num(neginf=0.0) / 2 + problem.w_BT[:, None].log()
    split = problem.first_positive
    attract_BRD, has_plus = _mean_shift(evidence_BRT[..., split:], problem.t_BTD[:, split:])
    repel_BRD, has_minus = _mean_shift(evidence_BRT[..., :split], problem.t_BTD[:, :split])
    return (attract_BRD - repel_BRD) * (has_plus & has_minus)


def _mean_shift(evidence_BRT: Tensor, t_BTD: Tensor) -> tuple[Tensor, Tensor]:
    top_BR1 = evidence_BRT.amax(dim=2, keepdim=True)
    some_BR1 = top_BR1 > -math.inf
    share_BRT = (evidence_BRT - top_BR1.where(some_BR1, torch.zeros_like(top_BR1))).exp()
    return share_BRT @ t_BTD / share_BRT.sum(2, keepdim=True).clamp_min(1e-30), some_BR1
