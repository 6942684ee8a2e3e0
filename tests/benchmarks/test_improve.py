"""Changes of the method: each does what its words say, and the recipe beside it is the recipe."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from benchmarks.improve import fields, page, plan, references, sources
from benchmarks.improve.variants import VARIANTS, made
from benchmarks.paper.plan import SEEDS, TUNING_SEED
from benchmarks.paper.runs import Run, identity
from drpo.anchors import RankedAnchors, Turn
from drpo.config import Config
from drpo.drift import drift_loss
from drpo.loss import AnchorFeatures
from rankkit import Ranking

RADII = (0.05, 0.2)


def points(count: int, seed: int) -> Tensor:
    return torch.randn(1, count, 5, generator=torch.Generator().manual_seed(seed))


def weighted(
    drift: fields.partial[object], g: Tensor, p: Tensor, m: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    each = partial(torch.full, fill_value=300.0)
    return drift(  # type: ignore[return-value]
        g, p, m, positive_weight=each((1, p.shape[1])), negative_weight=each((1, m.shape[1])), radii=RADII
    )


def test_an_anchor_that_is_a_copy_of_a_candidate_does_not_hold_it() -> None:
    g = points(8, 3).requires_grad_()
    p, m = g.detach()[:, :3], g.detach()[:, 5:]
    slopes = []
    for drift in (fields.self_excluding, drift_loss):
        (slope,) = torch.autograd.grad(weighted(drift, g, p, m)[0].sum(), g)  # type: ignore[arg-type]
        slopes.append(-slope[0, 0])
    to_others = (p[0, 1:] - p[0, 0]).mean(0)
    toward, held = (torch.nn.functional.cosine_similarity(each, to_others, dim=0) for each in slopes)
    assert toward > held, "the best is drawn to the other best ones"


def test_sinkhorns_coupling_has_the_sums_that_were_asked_for() -> None:
    logits = -torch.cdist(points(8, 0)[0], points(5, 1)[0]) / 0.5
    rows, columns = torch.full((8,), 1 / 8), torch.tensor([0.4, 0.3, 0.1, 0.1, 0.1])
    found = fields.plan(logits, rows, columns)
    assert torch.allclose(found.sum(1), rows, atol=1e-6) and torch.allclose(found.sum(0), columns, atol=1e-4)
    ratio = (found.log() - logits).double()  # a factor per row and per column alone
    assert torch.allclose(ratio[1:, 1:] + ratio[:1, :1], ratio[1:, :1] + ratio[:1, 1:], atol=1e-4)


def test_the_coupled_field_depends_on_differences_alone() -> None:
    g, p, m = points(6, 0), points(3, 1), points(3, 2)
    (here, _), (there, _) = (weighted(fields.sinkhorn, g + far, p + far, m + far) for far in (0.0, 10.0))
    assert torch.allclose(here, there, rtol=1e-3)
    assert weighted(fields.sinkhorn, g, p, p)[1]["field_rms"].item() < 1e-2, "equal sides do nothing"


def test_antithetic_noises_sum_to_nought() -> None:
    class Noises:
        def noise(self, count: int, seed: int) -> Tensor:
            return torch.randn(count, 4, 2, 2, generator=torch.Generator().manual_seed(seed))

    config = Config("shapes", "shapes", "shapes", group_size=8, anchors=2)
    source = sources.Antithetic.__new__(sources.Antithetic)
    source.config = config
    noise = source.draw(Noises(), Turn(0, 0, "a", 7)).noise  # type: ignore[arg-type]
    assert noise.shape == (8, 4, 2, 2) and not noise.sum(0).any()
    assert torch.equal(noise[:4], Noises().noise(4, 7))


def test_a_tie_counts_for_neither_side_and_net_wins_are_the_weights() -> None:
    found = sources.by_wins(Ranking((3.0, 1.0, 1.0, 0.0, math.nan)))
    assert found is not None
    assert found.positive == (0,) and found.positive_weight == (1.0,)
    assert found.negative == (3,) and found.negative_weight == (1.0,), "the two in the middle are level"
    assert sources.by_wins(Ranking((1.0, 1.0))) is None


def test_an_anchor_that_the_judge_is_unsure_of_weighs_less() -> None:
    scores = (2.0, 1.0, -1.0, -2.0)
    found = sources.split(Ranking(scores), 2)
    assert found is not None
    sure = sources.certainty(Ranking(scores, "pairwise", (0.1, 1.0, 1.0, 0.1)), found)
    assert sure is not None and sure.positive_weight == pytest.approx((1.0, 0.6827), abs=1e-4)
    assert sure.negative_weight == pytest.approx((0.6827, 1.0), abs=1e-4)
    assert sources.certainty(Ranking(scores), found) == found, "a judge that states no errors changes nothing"


def test_remembered_anchors_stand_behind_the_present_ones_at_half_their_weight() -> None:
    now, before = (
        AnchorFeatures({"a": torch.full((2, 3), v)}, (1.0, 0.5), {"a": torch.full((1, 3), -v)}, (1.0,))
        for v in (1.0, 2.0)
    )
    found = sources.joined(now, before)
    assert found.positive["a"][:, 0].tolist() == [1, 1, 2, 2] and found.negative["a"][:, 0].tolist() == [
        -1,
        -2,
    ]
    assert found.positive_weight == [1, 0.5, 0.5, 0.25] and found.negative_weight == [1, 0.5]


def test_the_adaptive_reference_grows_with_what_was_gained() -> None:
    assert references.gained([0.5] * 10) == 0, "nothing is known yet"
    assert references.gained([0.5] * 10 + [0.75] * 10) == pytest.approx(0.5)
    assert references.gained([0.5] * 10 + [0.2] * 10) == 0 and references.gained([0.5] * 10 + [1.0] * 10) == 1


@pytest.mark.parametrize("name", VARIANTS)
def test_a_step_of_every_change_moves_weights_that_are_finite(name: str) -> None:
    run = plan.run_of(name, TUNING_SEED)
    small = ("group_size=4", "anchors=2", "prompts_per_step=1")
    config = type(run)(run.method, (*run.settings, *small), run.seed, run.split).config()
    trainer, _ = made(run, config)
    before = [weight.detach().clone() for weight in trainer.weights]
    for _ in range(2):
        row = trainer.step()
    moved = [not torch.equal(*pair) for pair in zip(before, trainer.weights, strict=True)]
    assert row["skipped"] == 1 or any(moved)
    assert all(weight.isfinite().all() for weight in trainer.weights)


def test_every_change_is_run_once_for_tuning_and_beside_the_recipe_with_the_same_seeds() -> None:
    todo = plan.missing(["antithetic", "sinkhorn"], 2, [])
    assert [run.seed for run in todo] == [TUNING_SEED] * 3 + [SEEDS[0]] * 3 + [SEEDS[1]] * 3
    assert todo[0].method == "drpo" and {run.split for run in todo[:3]} == {"tuning"}
    assert plan.default_of("certain", SEEDS[0]).settings == VARIANTS["certain"].settings


def test_the_recipe_as_it_stands_takes_its_anchors_from_the_ranking() -> None:
    trainer, _ = made(plan.default_of("antithetic", TUNING_SEED), plan.default_of("antithetic", 1).config())
    assert type(trainer.source) is RankedAnchors


def known(run: Run, after: float) -> dict[str, object]:
    """A row as a run of a change writes it."""
    tasks = {name: {"before": 0.5, "after": 0.6} for name in ("position", "attribution")}
    along = [{"step": 40, "after": 0.6}, {"step": 160, "after": after}]
    return identity(run) | {"after": after, "diversity": 0.9, "tasks": tasks, "along": along}


def test_the_section_says_better_only_where_the_interval_of_three_seeds_does() -> None:
    both = [
        known(one, after)
        for seed, own, changed in ((71, 0.80, 0.84), (72, 0.82, 0.87), (73, 0.81, 0.86))
        for one, after in ((plan.default_of("sinkhorn", seed), own), (plan.run_of("sinkhorn", seed), changed))
    ]
    text = page.section(both)
    assert "| Sinkhorn couplings |  | 3 | 0.810 → 0.857 | +0.047 (+0.032 to +0.061) | 0.90 → 0.90 |" in text
    assert "**better** |" in text and "Not run: antithetic noises" in text
    assert page.figure(both).startswith("<svg xmlns=")
    assert "fewer than three seeds" in page.section(both[:4])
    assert (
        page.verdict([0.1, -0.1, 0.1]) == "cannot tell" and page.verdict([-0.1, -0.1, -0.12]) == "**worse**"
    )
    tried = [known(made_of("sinkhorn", TUNING_SEED), 0.7) for made_of in (plan.default_of, plan.run_of)]
    assert "0.700 (0.90) → 0.700 (0.90) |  |" in page.section(tried) and page.figure(tried) == ""
    assert page.section([]) == ""
