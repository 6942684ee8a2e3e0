"""What `split` says of itself holds for any ranking: property tests with ties and abstentions."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drpo.preference import Anchors, split
from rankkit import Ranking

NAN = math.nan
scores = st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.5, NAN]), min_size=0, max_size=24)
sizes = st.integers(1, 8)


@given(scores, sizes)
def test_ties_are_never_opposed(values: list[float], size: int) -> None:
    if anchors := split(Ranking(tuple(values)), size):
        assert min(values[i] for i in anchors.positive) > max(values[i] for i in anchors.negative)
        assert not set(anchors.positive) & set(anchors.negative)


@given(scores, sizes)
def test_an_abstention_is_never_an_anchor_and_changes_nothing_for_the_others(
    values: list[float], size: int
) -> None:
    kept = [i for i, value in enumerate(values) if not math.isnan(value)]
    anchors, alone = split(Ranking(tuple(values)), size), split(Ranking(tuple(values[i] for i in kept)), size)
    assert (anchors is None) == (alone is None)
    if anchors and alone:
        assert anchors.positive == tuple(kept[i] for i in alone.positive)
        assert anchors.negative == tuple(kept[i] for i in alone.negative)
        assert anchors.positive_weight == alone.positive_weight


@given(scores, sizes)
def test_both_sides_lose_the_same_mass_and_weights_are_shares(values: list[float], size: int) -> None:
    if anchors := split(Ranking(tuple(values)), size):
        places = min(size, sum(not math.isnan(value) for value in values) // 2)
        assert sum(anchors.positive_weight) == pytest.approx(places - anchors.cancelled)
        assert sum(anchors.negative_weight) == pytest.approx(places - anchors.cancelled)
        assert all(0 < weight <= 1 for weight in anchors.positive_weight + anchors.negative_weight)


@given(scores, sizes, st.randoms())
def test_the_order_of_the_candidates_does_not_matter(values: list[float], size: int, random: object) -> None:
    order = list(range(len(values)))
    random.shuffle(order)  # type: ignore[attr-defined]
    anchors, shuffled = (
        split(Ranking(tuple(values)), size),
        split(Ranking(tuple(values[i] for i in order)), size),
    )
    assert weights(anchors, len(values)) == [
        weights(shuffled, len(values))[order.index(i)] for i in range(len(values))
    ]


@given(scores, sizes)
def test_any_increasing_function_of_the_scores_gives_the_same_anchors(values: list[float], size: int) -> None:
    assert split(Ranking(tuple(values)), size) == split(
        Ranking(tuple(math.exp(3 * value) - 7 for value in values)), size
    )


@given(scores, sizes)
def test_reversed_scores_swap_the_sides(values: list[float], size: int) -> None:
    anchors, turned = (
        split(Ranking(tuple(values)), size),
        split(Ranking(tuple(-value for value in values)), size),
    )
    assert weights(turned, len(values)) == [-weight for weight in weights(anchors, len(values))]


@pytest.mark.parametrize("values", [(), (1.0,), (2.0,) * 16, (NAN,) * 4, (NAN, 1.0), (NAN, 3.0, 3.0)])
def test_no_preference_gives_no_anchors(values: tuple[float, ...]) -> None:
    assert split(Ranking(values), 8) is None


def test_with_few_ranked_candidates_half_of_them_go_to_each_side() -> None:
    assert split(Ranking((5.0, NAN, 4.0, 3.0, 2.0, 1.0)), 8) == Anchors(
        (0, 2), (1.0, 1.0), (4, 5), (1.0, 1.0)
    )


def test_a_detector_with_one_success_opposes_it_to_all_failures() -> None:
    anchors = split(Ranking((0.0, 1.0, 0.0, 0.0)), 2)
    assert anchors and anchors.positive == (1,) and anchors.negative == (0, 2, 3)
    assert sum(anchors.negative_weight) == pytest.approx(1.0) and anchors.cancelled == pytest.approx(1.0)


def weights(anchors: Anchors | None, count: int) -> list[float]:
    signed = [0.0] * count
    if anchors:
        for i, weight in zip(anchors.positive, anchors.positive_weight, strict=True):
            signed[i] = weight
        for i, weight in zip(anchors.negative, anchors.negative_weight, strict=True):
            signed[i] = -weight
    return signed
