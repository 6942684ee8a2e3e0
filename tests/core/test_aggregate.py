import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from rankkit.core import aggregate
from rankkit.core.aggregate import (
    borda,
    both_orders,
    bradley_terry,
    circulant,
    connected,
    logit,
    round_robin,
    schedule,
    sigmoid,
    wins,
)
from rankkit.core.types import ranks

PROBABILITY = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.floats(0, 1))


@st.composite
def graphs(draw, low=1, high=9, answers=PROBABILITY):
    """Fractional wins on a sparse, perhaps disconnected graph."""
    n = draw(st.integers(low, high))
    pairs = draw(st.lists(st.sampled_from(round_robin(n)), unique=True)) if n > 1 else []
    return wins(n, [(i, j, draw(answers), draw(st.sampled_from([1.0, 2.0]))) for i, j in pairs])


@st.composite
def tournaments(draw):
    """A balanced round robin with answers in eighths, so that win sums are exact."""
    n = draw(st.integers(2, 7))
    return wins(n, [(i, j, draw(st.integers(0, 8)) / 8, 2.0) for i, j in round_robin(n)])


def theta(W, **options):
    return bradley_terry(W, **options)[0]


# --- schedules ---


@given(st.integers(0, 12))
def test_a_round_robin_holds_every_pair_once(n):
    pairs = round_robin(n)
    assert len(pairs) == len(set(pairs)) == n * (n - 1) // 2
    assert all(0 <= i < j < n for i, j in pairs)


@given(st.integers(0, 8), st.integers(0, 99))
def test_up_to_eight_items_every_pair_is_asked(n, seed):
    assert schedule(n, seed=seed) == round_robin(n)


@given(st.integers(1, 70), st.sampled_from([2, 4, 6, 8, 12]), st.integers(0, 10**6))
def test_a_circulant_is_connected_and_regular_and_spends_what_it_says(n, degree, seed):
    pairs = circulant(n, seed=seed, degree=degree)
    assert connected(n, pairs)
    assert len(pairs) == len(set(pairs)) and all(0 <= i < j < n for i, j in pairs)
    met = np.bincount(np.array(pairs, dtype=int).ravel(), minlength=n)
    assert (met == min(degree, n - 1)).all()
    assert len(pairs) == n * min(degree, n - 1) / 2


@given(st.integers(9, 70), st.integers(0, 10**6))
def test_above_eight_items_each_meets_eight_others(n, seed):
    assert (np.bincount(np.array(schedule(n, seed=seed)).ravel()) == 8).all()


def test_a_schedule_depends_on_its_seed_alone():
    assert schedule(30, seed=3) == schedule(30, seed=3)
    assert len({tuple(schedule(30, seed=seed)) for seed in range(20)}) > 1


@given(st.integers(0, 9), st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=12))
def test_connected_says_whether_every_item_reaches_every_other(n, pairs):
    pairs = [(i, j) for i, j in pairs if i < n and j < n]
    reach = np.eye(n, dtype=bool)
    for i, j in pairs:
        reach[i, j] = reach[j, i] = True
    for _ in range(n):
        reach = reach @ reach
    assert connected(n, pairs) == bool(reach.all())


# --- one comparison ---


@given(st.floats(-4, 4), st.floats(-4, 4))
def test_a_constant_liking_for_one_position_cancels_exactly(difference, bias):
    p, found = both_orders(sigmoid(difference + bias), sigmoid(difference - bias))
    assert p == pytest.approx(sigmoid(difference), abs=1e-9)
    assert found == pytest.approx(bias, abs=1e-9)


@given(PROBABILITY, PROBABILITY)
def test_both_orders_are_antisymmetric(first, second):
    p, bias = both_orders(first, second)
    q, again = both_orders(1 - second, 1 - first)
    assert p + q == pytest.approx(1, abs=1e-9) and bias == pytest.approx(again, abs=1e-6)


def test_hard_verdicts_that_disagree_are_a_tie_and_those_that_agree_are_not():
    assert both_orders(1, 0)[0] == pytest.approx(0.5)
    assert both_orders(1, 1)[0] == pytest.approx(1 - 1e-4)
    assert both_orders(0, 0)[0] == pytest.approx(1e-4)


@given(st.floats(0, 1))
def test_the_logit_is_finite_and_undone_by_the_sigmoid(p):
    assert math.isfinite(logit(p))
    assert sigmoid(logit(p)) == pytest.approx(min(max(p, 1e-4), 1 - 1e-4))


@given(st.floats(-1e4, 1e4))
def test_the_sigmoid_never_overflows(x):
    assert 0 <= sigmoid(x) <= 1 and sigmoid(x) + sigmoid(-x) == pytest.approx(1)


def test_wins_of_a_pair_add_up_to_its_calls():
    W = wins(3, [(0, 1, 0.75, 2.0), (1, 2, 1.0, 1.0)])
    assert W.tolist() == [[0, 1.5, 0], [0.5, 0, 1], [0, 0, 0]]


# --- Borda ---


def test_the_win_rate_is_nan_for_what_was_never_compared():
    rate = borda(wins(4, [(0, 1, 0.75, 2.0), (1, 2, 1.0, 2.0)]))
    assert rate[:3].tolist() == [0.75, 0.625, 0.0] and math.isnan(rate[3])


@given(graphs())
def test_win_rates_are_between_zero_and_one(W):
    rate = borda(W)
    played = ~np.isnan(rate)
    assert ((rate[played] >= 0) & (rate[played] <= 1)).all()
    assert (np.isnan(rate) == (W.sum(0) + W.sum(1) == 0)).all()


# --- MAP Bradley–Terry ---


def test_two_items_give_the_utility_computed_by_hand():
    # one call won by the first, prior 0.1: θ = t, -t with σ(-2t) = 0.1 t, so that t = 10 σ(-2t)
    t = 1.0
    for _ in range(200):
        t = (t + 10 / (1 + math.exp(2 * t))) / 2
    utilities, stderr = bradley_terry(wins(2, [(0, 1, 1.0, 1.0)]), prior=0.1)
    assert utilities == pytest.approx([t, -t], abs=1e-8)
    curvature = sigmoid(2 * t) * sigmoid(-2 * t)
    assert stderr == pytest.approx(
        [0.5 / math.sqrt(curvature + 0.05)] * 2
    )  # half of that of the difference, whose curvature this is


def test_a_pure_cycle_is_one_tie():
    assert theta(wins(3, [(0, 1, 1.0, 2.0), (1, 2, 1.0, 2.0), (2, 0, 1.0, 2.0)])).tolist() == [0, 0, 0]


def test_nothing_asked_leaves_everything_at_zero_with_the_spread_of_the_prior():
    utilities, stderr = bradley_terry(np.zeros((4, 4)), prior=0.25)
    assert utilities.tolist() == [0] * 4 and stderr == pytest.approx([2.0] * 4)
    assert bradley_terry(np.zeros((0, 0)))[0].shape == (0,)


@given(graphs(), st.sampled_from([0.01, 0.1, 1.0]))
@settings(deadline=None)
def test_utilities_are_finite_and_sum_to_zero_for_any_outcomes(W, prior):
    utilities, stderr = bradley_terry(W, prior=prior)
    assert np.isfinite(utilities).all() and np.isfinite(stderr).all() and (stderr > 0).all()
    assert abs(utilities.sum()) < 1e-7
    assert (stderr <= prior**-0.5 + 1e-9).all()


@given(st.integers(2, 12), st.sampled_from([1.0, 1e3, 1e6]), st.sampled_from([1e-3, 0.1]))
@settings(deadline=None)
def test_a_perfectly_transitive_tournament_stays_finite_and_strictly_ordered(n, weight, prior):
    utilities, _ = bradley_terry(wins(n, [(i, j, 1.0, weight) for i, j in round_robin(n)]), prior=prior)
    assert np.isfinite(utilities).all() and (np.diff(utilities) < 0).all()


@given(graphs())
@settings(deadline=None)
def test_reversed_outcomes_give_the_negated_utilities(W):
    assert theta(W.T) == pytest.approx(-theta(W), abs=2e-9)


@given(graphs(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_relabelled_items_keep_their_utilities(W, random):
    order = list(range(len(W)))
    random.shuffle(order)
    assert theta(W[np.ix_(order, order)]) == pytest.approx(theta(W)[order], abs=2e-9)


@given(graphs(low=2), st.data())
@settings(deadline=None)
def test_an_extra_win_never_lowers_the_winner_nor_lifts_the_loser(W, data):
    i, j = data.draw(st.sampled_from(list(itertools.permutations(range(len(W)), 2))))
    more = W.copy()
    more[i, j] += 1
    before, after = theta(W), theta(more)
    assert after[i] >= before[i] - 2e-9 and after[j] <= before[j] + 2e-9
    assert after[i] - after[j] > before[i] - before[j]


@given(graphs(low=2))
@settings(deadline=None)
def test_an_item_that_was_never_compared_stays_at_zero(W):
    alone = np.zeros((len(W) + 1, len(W) + 1))
    alone[1:, 1:] = W
    utilities = theta(alone)
    assert utilities[0] == 0
    assert utilities[1:] == pytest.approx(theta(W), abs=2e-9)


@given(tournaments())
@settings(deadline=None, max_examples=200)
def test_on_a_balanced_round_robin_the_order_ties_included_is_that_of_win_sums(W):
    assert ranks(theta(W).tolist()) == ranks(W.sum(1).tolist())


@given(graphs(low=2, high=7), st.sampled_from([0.05, 0.1, 0.5]))
@settings(deadline=None, max_examples=60)
def test_utilities_are_the_minimum_that_an_independent_minimiser_finds(W, prior):
    def loss(x):
        d = x[:, None] - x[None, :]
        return float((W * np.logaddexp(0, -d)).sum() + prior / 2 * (x @ x))

    found = minimize(loss, np.zeros(len(W)), method="BFGS", options={"gtol": 1e-9})
    assert theta(W, prior=prior) == pytest.approx(found.x, abs=1e-4)
    assert loss(theta(W, prior=prior)) <= found.fun + 1e-9


@given(graphs(low=2, high=6))
@settings(deadline=None, max_examples=40)
def test_standard_errors_are_those_of_the_inverse_curvature_between_items_that_were_compared(W):
    utilities, stderr = bradley_terry(W, prior=0.1)
    h, n = 1e-4, len(W)

    def slope(x):
        d = x[:, None] - x[None, :]
        return -(W / (1 + np.exp(d))).sum(1) + (W.T / (1 + np.exp(-d))).sum(1) + 0.1 * x

    hessian = np.stack([(slope(utilities + h * e) - slope(utilities - h * e)) / (2 * h) for e in np.eye(n)])
    centred = np.eye(n)
    for part in aggregate.parts(n, zip(*np.nonzero(W + W.T), strict=True)):
        if len(part) > 1:
            centred[np.ix_(part, part)] -= 1 / len(part)
    assert stderr == pytest.approx(np.sqrt(np.diag(centred @ np.linalg.inv(hessian) @ centred)), rel=1e-3)


@pytest.mark.parametrize(("n", "degree"), [(8, 8), (16, 8), (16, 4)])
def test_an_interval_of_two_standard_errors_holds_the_true_utility_about_as_often_as_it_says(n, degree):
    held = []
    for trial in range(150):
        rng = np.random.default_rng([n, trial])
        truth = rng.normal(size=n)
        truth -= truth.mean()
        calls = [pair for i, j in schedule(n, seed=trial, degree=degree) for pair in ((i, j), (j, i))]
        W = wins(n, [(i, j, float(rng.random() < sigmoid(truth[i] - truth[j])), 1.0) for i, j in calls])
        utilities, stderr = bradley_terry(W)
        held += list(np.abs(utilities - truth) < 1.96 * stderr)
    assert 0.93 < np.mean(held) < 0.98


def test_more_calls_make_standard_errors_as_small_as_one_likes():
    W = wins(8, [(i, j, 0.5, 1.0) for i, j in round_robin(8)])
    assert bradley_terry(10_000 * W)[1].max() < 0.02


@given(st.integers(2, 8), st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_a_judge_of_hidden_utilities_is_read_back_in_its_order(n, seed):
    hidden = np.random.default_rng(seed).normal(size=n)
    assume(np.diff(np.sort(hidden)).min() > 1e-3)
    W = wins(n, [(i, j, sigmoid(hidden[i] - hidden[j]), 2.0) for i, j in round_robin(n)])
    assert ranks(theta(W).tolist()) == ranks(hidden.tolist())


def test_the_median_of_nothing_is_zero():
    assert aggregate.median([]) == 0 and aggregate.median([3, 1, 2]) == 2
