import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankkit.analysis import stats

OUTCOMES = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 6)), min_size=1, max_size=60)
SCORES = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), max_size=20)


def split(outcomes):
    return [value for value, _ in outcomes], [cluster for _, cluster in outcomes]


# --- published and hand-computed numbers ---


@pytest.mark.parametrize(
    ("wins", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_wilson_interval_is_that_of_newcombe_1998_table_1(wins, n, low, high):
    assert stats.wilson(wins / n, n) == pytest.approx((low, high), abs=5e-5)


def test_the_clustered_mean_is_the_one_computed_by_hand():
    # mean .6; residual sums .8, -.2, -.6; 3/2 · 1.04 / 25 = .0624
    found = stats.clustered_mean([1, 1, 0, 1, 0], [7, 7, 8, 8, 9])
    assert (found.mean, found.stderr, found.values, found.clusters) == (
        pytest.approx(0.6),
        pytest.approx(math.sqrt(0.0624)),
        5,
        3,
    )


def test_a_cluster_per_value_gives_the_ordinary_standard_error():
    found = stats.clustered_mean([1.0, 2.0, 4.0, 9.0])
    assert found.stderr == pytest.approx(np.std([1, 2, 4, 9], ddof=1) / 2)


def test_the_effective_size_is_the_one_computed_by_hand():
    # .24 / .0624, the clustered variance being larger than 1.2 / 20 = .06
    assert stats.effective_size([1, 1, 0, 1, 0], [7, 7, 8, 8, 9]) == pytest.approx(0.24 / 0.0624)


def test_clusters_that_agree_by_chance_are_not_worth_more_than_independent_pairs():
    values, clusters = [1] * 71 + [0] * 29 + [1] * 70 + [0] * 30, [0] * 100 + [1] * 100
    assert stats.effective_size(values, clusters) == pytest.approx(199)


def test_a_variance_of_zero_falls_back_to_the_number_of_clusters():
    assert stats.effective_size([1] * 12, [0, 1, 2] * 4) == 3
    assert stats.effective_size([1, 0] * 4, [0, 0, 1, 1, 2, 2, 3, 3]) == 4
    assert stats.effective_size([1, 0, 1], [5, 5, 5]) == 1
    assert stats.win_interval([1] * 12, [0, 1, 2] * 4).low == pytest.approx(stats.wilson(1.0, 3)[0])


def test_ties_count_half_and_are_less_noisy_than_wins_and_losses():
    decided, tied = stats.win_interval([1, 0] * 50), stats.win_interval([1, 0] * 10 + [0.5] * 80)
    assert decided.rate == tied.rate == 0.5
    assert tied.high - tied.low < decided.high - decided.low


def test_kendall_is_the_published_value():
    # the example in the documentation of scipy.stats.kendalltau
    assert stats.kendall_tau_b([12, 2, 1, 12, 2], [1, 4, 7, 1, 0]) == pytest.approx(-0.47140452079103173)


def test_kendall_is_the_one_computed_by_hand_with_ties():
    # 3 concordant, 1 discordant; 5 pairs untied in the first list, 5 in the second
    assert stats.kendall_tau_b([1, 1, 2, 3], [1, 2, 3, 2]) == pytest.approx((3 - 1) / 5)


def test_kendall_leaves_out_items_that_either_list_lacks():
    nan = math.nan
    assert stats.kendall_tau_b([1, 2, nan, 9], [1, 2, 0, nan]) == 1.0


def test_kendall_is_undefined_where_one_list_is_all_ties():
    assert math.isnan(stats.kendall_tau_b([1, 1, 1], [1, 2, 3]))
    assert math.isnan(stats.kendall_tau_b([1], [1]))
    assert math.isnan(stats.kendall_tau_b([], []))


def test_kendall_of_many_items_is_counted_in_blocks():
    rng = np.random.default_rng(0)
    a, b = rng.permutation(1000), rng.permutation(1000)
    brute = np.sign(a[:, None] - a) * np.sign(b[:, None] - b)
    assert stats.kendall_tau_b(a, b) == pytest.approx(brute.sum() / (1000 * 999))


def test_nothing_measured_means_nothing_known():
    empty = stats.win_interval([])
    assert math.isnan(empty.rate) and (empty.low, empty.high) == (0.0, 1.0)
    assert stats.win_interval([]).p_value == 1.0
    assert math.isnan(stats.clustered_mean([]).mean) and math.isnan(stats.clustered_mean([3.0]).stderr)


# --- properties ---


@given(OUTCOMES)
def test_the_interval_holds_its_rate_and_stays_in_range(outcomes):
    found = stats.win_interval(*split(outcomes))
    assert 0 <= found.low <= found.rate <= found.high <= 1
    assert found.low < found.high


@given(OUTCOMES)
def test_win_and_loss_exchanged_mirror_the_interval(outcomes):
    values, clusters = split(outcomes)
    found, mirrored = (
        stats.win_interval(values, clusters),
        stats.win_interval([1 - v for v in values], clusters),
    )
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - found.high, 1 - found.low))


@given(OUTCOMES)
def test_the_p_value_and_the_interval_never_disagree(outcomes):
    values, clusters = split(outcomes)
    found = stats.win_interval(values, clusters)
    p = found.p_value
    if abs(p - 0.05) > 1e-9:
        assert (p < 0.05) == (not found.low <= 0.5 <= found.high)


@given(OUTCOMES, st.integers(2, 4))
def test_repeating_every_pair_within_its_prompt_adds_no_confidence(outcomes, times):
    values, clusters = split(outcomes)
    assert stats.clustered_mean(values * times, clusters * times).stderr == pytest.approx(
        stats.clustered_mean(values, clusters).stderr, nan_ok=True, abs=1e-12
    )


@given(OUTCOMES)
def test_names_and_order_of_clusters_do_not_matter(outcomes):
    values, clusters = split(outcomes)
    renamed = stats.win_interval(values[::-1], [1000 - 3 * c for c in clusters][::-1])
    found = stats.win_interval(values, clusters)
    assert (renamed.low, renamed.high) == pytest.approx((found.low, found.high))


@given(SCORES)
def test_kendall_is_symmetric_bounded_and_turns_with_its_argument(pairs):
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    tau = stats.kendall_tau_b(a, b)
    assert math.isnan(tau) or -1 <= tau <= 1
    assert stats.kendall_tau_b(b, a) == pytest.approx(tau, nan_ok=True)
    assert stats.kendall_tau_b([-x for x in a], b) == pytest.approx(-tau, nan_ok=True)
    assert stats.kendall_tau_b([x**3 + 5 for x in a], b) == pytest.approx(tau, nan_ok=True)


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=20).filter(lambda a: len(set(a)) > 1))
def test_kendall_of_a_list_with_itself_is_one_and_with_its_reverse_minus_one(a):
    assert stats.kendall_tau_b(a, a) == 1.0
    assert stats.kendall_tau_b(a, [-x for x in a]) == -1.0


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng, hits = np.random.default_rng(1), 0
    for _ in range(400):
        mood = rng.beta(4, 4, 60)  # 60 prompts of 6 pairs, correlated within a prompt
        values, clusters = rng.random((60, 6)) < mood[:, None], np.repeat(np.arange(60), 6)
        found = stats.win_interval(values.ravel(), clusters)
        hits += found.low <= 0.5 <= found.high
    assert 0.92 <= hits / 400 <= 0.98


SMALL = st.lists(
    st.tuples(st.integers(0, 4) | st.just(math.nan), st.integers(0, 4) | st.just(math.nan)), max_size=90
)


@settings(deadline=None)
@given(SMALL)
def test_kendalls_tau_is_that_of_all_pairs(pairs):
    known = [(a, b) for a, b in pairs if a == a and b == b]
    both = list(itertools.combinations(known, 2))
    surplus = sum(np.sign(p[0] - q[0]) * np.sign(p[1] - q[1]) for p, q in both)
    untied = [sum(p[side] != q[side] for p, q in both) for side in (0, 1)]
    found = stats.kendall_tau_b([a for a, _ in pairs], [b for _, b in pairs])
    if all(untied):
        assert found == pytest.approx(surplus / math.sqrt(untied[0] * untied[1]))
    else:
        assert math.isnan(found)
