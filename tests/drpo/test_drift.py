"""drift_loss against the authors' values, against itself in loops, and at the edges where a field usually
breaks.
"""

from __future__ import annotations

import json
import math
import resource
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from drpo import drift
from drpo.choices import Field
from drpo.drift import drift_loss

CASES = np.load(Path(__file__).parents[1] / "data" / "drift_loss_cases.npz")
RADII = (0.02, 0.05, 0.2)


def case(index: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    names = ("generated", "positive", "negative", "loss", "grad", "scale")
    return {name: torch.from_numpy(CASES[f"{index}/{name}"]) for name in names}, json.loads(
        str(CASES[f"{index}/meta"])
    )


def sets(n: int, p: int, m: int, d: int, b: int = 1, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return (
        torch.randn(b, n, d, generator=rng),
        torch.randn(b, p, d, generator=rng) + 1,
        torch.randn(b, m, d, generator=rng) - 1,
    )


def run(
    generated: Tensor, positive: Tensor, negative: Tensor, **options: Any
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    leaf = generated.clone().requires_grad_()
    settings: dict[str, Any] = {"positive_weight": 3000.0, "negative_weight": 3000.0, "radii": RADII}
    loss, info = drift_loss(leaf, positive, negative, **settings | options)
    (gradient,) = torch.autograd.grad(loss.sum(), leaf)
    return loss.detach(), gradient, info


@pytest.mark.parametrize("index", range(4))
def test_the_official_field_equals_the_authors_loss_and_gradient(index: int) -> None:
    data, meta = case(index)
    loss, gradient, info = run(data["generated"], data["positive"], data["negative"], **meta)
    torch.testing.assert_close(loss, data["loss"], atol=1e-5, rtol=0)
    torch.testing.assert_close(gradient, data["grad"], atol=1e-5, rtol=0)
    torch.testing.assert_close(info["scale"], data["scale"], atol=0, rtol=1e-5)


def plain_official(
    g: Tensor,
    p: Tensor,
    m: Tensor,
    w_pos: Tensor,
    w_neg: Tensor,
    radii: tuple[float, ...],
    masked: bool,
    kernel: str,
    excluding: bool = False,
) -> Tensor:
    """The official force F written out with full tensors, in float64 (arXiv 2606.02521 as published); the
    oracle for B > 1 and weights. `excluding` hides from a point its own copy among the anchors.
    """
    g, p, m = g.double(), p.double(), m.double()
    t = torch.cat([g, m, p], dim=1)
    w = torch.cat([torch.ones(g.shape[:2]).double(), w_neg.double(), w_pos.double()], dim=1)[:, None]
    d = (g[:, :, None] - t[:, None]).square().sum(-1).clamp_min(1e-8).sqrt()
    s = ((d * w).mean() / w.mean()).clamp_min(1e-3)
    unit = (s / math.sqrt(g.shape[-1])).clamp_min(1e-3)
    angle = (g[:, :, None] * t[:, None]).sum(-1) / (g.norm(dim=-1)[:, :, None] * t.norm(dim=-1)[:, None])
    n, split = g.shape[1], g.shape[1] + m.shape[1]
    force = torch.zeros_like(g)
    for r in radii:
        logits = {"laplacian": -d / (s * r), "rbf": -((d / (s * r)) ** 2) / 2, "cosine": angle / r}[
            kernel
        ].clone()
        logits[:, range(n), range(n)] -= 100 / r
        if masked:
            logits[:, range(n), range(n, 2 * n)] -= 100 / r
        if excluding:
            logits[..., n:] -= (d[..., n:] <= 1e-4) * (100 / r)
        a = (logits.softmax(2) * logits.softmax(1)).clamp_min(1e-6).sqrt() * w
        minus, plus = a[..., :split], a[..., split:]
        c = torch.cat([-minus * plus.sum(2, keepdim=True), plus * minus.sum(2, keepdim=True)], dim=2)
        raw = (c @ t - c.sum(2, keepdim=True) * g) / unit
        force += raw / raw.square().mean().clamp_min(1e-8).sqrt()
    return force / unit


@pytest.mark.parametrize("exact", [True, False], ids=["differences", "products"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kernel", ["laplacian", "rbf", "cosine"])
def test_every_kernels_official_field_equals_the_formula_for_several_sets_and_weights_per_anchor(
    kernel: str, masked: bool, exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "EXACT_UP_TO", 2**30 if exact else 0)
    g, p, m = sets(6, 3, 6 if masked else 4, 5, b=3)
    m = g.clone() if masked else m
    w_pos, w_neg = torch.rand(3, 3) * 10, torch.rand(3, m.shape[1]) * 10
    loss, gradient, info = run(
        g, p, m, positive_weight=w_pos, negative_weight=w_neg, mask_negative_self=masked, kernel=kernel
    )
    force = plain_official(
        g, p, m, w_pos, w_neg, RADII, masked, kernel
    )  # over the unit, so that it is minus the gradient but for a factor
    unit = info["scale"].double() / math.sqrt(5)
    torch.testing.assert_close(
        loss.double(), (force * unit).square().mean(dim=(1, 2)), atol=1e-5, rtol=1e-5 if exact else 1e-4
    )
    torch.testing.assert_close(gradient.double(), -2 * force / force[0].numel(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kernel", ["laplacian", "rbf", "cosine"])
def test_the_self_excluding_field_is_the_official_one_in_which_no_anchor_sees_its_copy(kernel: str) -> None:
    g, _, _ = sets(7, 1, 1, 5, b=2)
    p, m = g[:, :3], g[:, 4:]
    weights = torch.full((2, 3), 300.0)
    _, gradient, _ = run(
        g, p, m, positive_weight=weights, negative_weight=weights, kernel=kernel, field="self_excluding"
    )
    force = plain_official(g, p, m, weights, weights, RADII, False, kernel, excluding=True)
    torch.testing.assert_close(gradient.double(), -2 * force / force[0].numel(), atol=1e-5, rtol=1e-4)
    official = plain_official(g, p, m, weights, weights, RADII, False, kernel)
    assert (force - official).norm() > 0.1 * official.norm()


def test_without_copies_and_in_the_reference_term_the_self_excluding_field_is_the_official_one() -> None:
    g, p, m = sets(9, 4, 3, 5)
    reference = (g, g + 0.1, g.clone())
    for points, masked in (((g, p, m), False), (reference, True)):
        both = [run(*points, mask_negative_self=masked, field=field) for field in get_args(Field)[:2]]
        assert torch.equal(both[0][0], both[1][0]) and torch.equal(both[0][1], both[1][1])


@pytest.mark.parametrize("field", get_args(Field))
@pytest.mark.parametrize("kernel", ["laplacian", "rbf", "cosine"])
def test_tiles_do_not_change_the_result(kernel: str, field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    g, p, m = sets(23, 7, 5, 4, b=2)
    whole = run(g, p, m, kernel=kernel, field=field, radii=(0.2, 0.5))
    monkeypatch.setattr(drift, "TILE", 150)  # two rows at a time
    tiled = run(g, p, m, kernel=kernel, field=field, radii=(0.2, 0.5))
    torch.testing.assert_close(tiled[0], whole[0], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(tiled[1], whole[1], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("field", get_args(Field))
@pytest.mark.parametrize("kernel", ["laplacian", "rbf", "cosine"])
@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_loss_and_gradient_are_finite_at_every_scale(kernel: str, field: str, size: float) -> None:
    g, p, m = sets(6, 3, 3, 8)
    for points in (
        (g, p, m),
        (g[:, :1], p[:, :1], m[:, :1]),
        (torch.zeros_like(g), p * 0, m * 0),
        (g, g[:, :3], g[:, 3:]),
    ):
        loss, gradient, _ = run(*(x * size for x in points), kernel=kernel, field=field)
        assert loss.isfinite().all() and gradient.isfinite().all()


@pytest.mark.parametrize("field", get_args(Field))
@pytest.mark.parametrize("kernel", ["laplacian", "rbf", "cosine"])
@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_in_means_float32_inside_at_every_scale(
    dtype: torch.dtype, size: float, kernel: str, field: str
) -> None:
    halves = [(points * size).to(dtype) for points in sets(6, 3, 3, 8)]
    loss, gradient, _ = run(*halves, kernel=kernel, field=field)
    full, expected, _ = run(*(half.float() for half in halves), kernel=kernel, field=field)
    assert loss.dtype == torch.float32 and gradient.dtype == dtype
    assert torch.equal(loss, full) and torch.equal(gradient, expected.to(dtype)) and gradient.isfinite().all()


def test_the_masked_reference_field_is_zero_at_the_reference() -> None:
    g, _, _ = sets(8, 1, 1, 16)
    official, _, _ = run(g, g.clone(), g.clone(), mask_negative_self=True)
    masked, gradient, info = run(g, g.clone(), g.clone(), mask_negative_self=True, field="masked")
    assert official.item() > 1  # the published field pushes even there
    assert masked.item() < 1e-10 and gradient.abs().max() < 1e-5 and info["rms"].max() < 1e-5


@pytest.mark.parametrize("kernel", ["laplacian", "rbf", "cosine"])
def test_copies_are_known_as_such_also_where_distances_come_from_a_matrix_product(
    kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    g, _, _ = sets(40, 1, 1, 256)
    found = []
    for limit in (2**30, 0):
        monkeypatch.setattr(drift, "EXACT_UP_TO", limit)
        found.append(
            [
                run(g + 5, g[:, :10] + 5, g[:, 30:] + 5, kernel=kernel, field=field)[1]
                for field in get_args(Field)
            ]
        )
    for exact, product in zip(*found, strict=True):
        torch.testing.assert_close(product, exact, atol=1e-6, rtol=1e-3)


def test_the_masked_reference_field_grows_with_the_distance_and_points_back() -> None:
    g, _, _ = sets(8, 1, 1, 16)
    shift = torch.ones(16)
    small, _, _ = run(
        g + 1e-3 * shift, g, g + 1e-3 * shift, mask_negative_self=True, field="masked", radii=(0.2,)
    )
    large, gradient, _ = run(
        g + 0.3 * shift, g, g + 0.3 * shift, mask_negative_self=True, field="masked", radii=(0.2,)
    )
    assert small.item() < 1e-3 * large.item()
    assert (-(gradient @ shift)).mean() < 0  # descent moves against the shift


@pytest.mark.parametrize("kernel", ["laplacian", "rbf", "cosine"])
def test_descent_moves_towards_the_preferred_and_away_from_the_rest(kernel: str) -> None:
    g, _, _ = sets(16, 1, 1, 32)
    score = g[0, :, 0]
    order = score.argsort(descending=True)
    for field in get_args(Field):
        _, gradient, _ = run(
            g, g[:, order[:6]], g[:, order[-6:]], kernel=kernel, field=field, radii=(0.2, 0.5)
        )
        assert -gradient[0, :, 0].mean() > 0


def test_equal_masses_on_the_same_points_make_no_masked_field() -> None:
    g, p, _ = sets(8, 4, 1, 16)
    _, gradient, _ = run(
        g, p, p.clone(), field="masked", negative_weight=1e6, positive_weight=1e6, radii=(0.5,)
    )
    assert gradient.abs().max() < 1e-4


def test_mismatched_shapes_and_unknown_names_are_said() -> None:
    g, p, m = sets(4, 2, 2, 3)
    with pytest.raises(ValueError, match="none empty"):
        run(g, p[:, :0], m)
    with pytest.raises(ValueError, match="kernel is one of laplacian, rbf, cosine, not 'gauss'"):
        run(g, p, m, kernel="gauss")
    with pytest.raises(ValueError, match="generated points as negatives"):
        run(g, p, m, mask_negative_self=True)


def test_four_thousand_points_of_1280_dimensions_need_little_memory_beyond_themselves() -> None:
    g, p, m = sets(4096, 512, 512, 1280)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    loss, gradient, _ = run(g, p, m, radii=(0.05,))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    assert loss.isfinite().all() and gradient.isfinite().all()
    assert (after - before) * unit < 512 * 2**20  # N×T×D would be 100 GiB, N×T alone 84 MiB a copy
