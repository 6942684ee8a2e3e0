"""Rankers that compare two images: both orders, failures, utilities and their standard errors."""

import math
import random

import pytest
from grey_groups import errors, grey, level, one, same
from hypothesis import given, settings
from hypothesis import strategies as st

import rankkit
from rankkit import Group, Pairwise, build
from rankkit.core import aggregate


def judge(bias=0.0, scale=50.0, fails=lambda first, second: False):
    """A simulated judge: a difference of qualities plus a position bias;
    `fails` says which calls break.
    """

    @rankkit.pairwise
    def simulated(first, second):
        if fails(level(first), level(second)):
            raise TimeoutError("the judge did not answer")
        return aggregate.sigmoid((level(first) - level(second)) / scale + bias)

    return build(simulated)


def test_every_pair_is_asked_in_both_orders_and_no_image_meets_itself():
    asked = []
    build(rankkit.pairwise(lambda first, second: asked.append((level(first), level(second))) or 0.5)).rank(
        [grey(1, 2, 3)]
    )
    assert sorted(asked) == [(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)]


def test_all_pairs_of_all_groups_are_asked_in_one_call_of_a_batched_judge():
    calls = []

    def compare(firsts, seconds, prompts, metadata):
        calls.append(prompts)
        return [0.5] * len(firsts)

    build(compare).rank([grey(1, 2), grey(3, 4, prompt="a dog")])
    assert calls == [["a cat"] * 2 + ["a dog"] * 2]


def test_better_images_score_higher_in_logits_with_standard_errors_and_evidence():
    ranking = one(judge(), grey(50, 200, 100))
    assert ranking.kind == "pairwise" and ranking.ranks == (3, 1, 2)
    assert sum(ranking.scores) == pytest.approx(0, abs=1e-8)
    assert all(error > 0 for error in ranking.stderr)
    first = ranking.details[1]
    assert first["comparisons"] == 2 and first["win_rate"] > 0.8 and "error" not in first
    assert first["judge"] == {
        "calls": 6,
        "failed_calls": 0,
        "pairs": 3,
        "ties": 0,
        "triads": 1,
        "circular_triads": 0,
        "zeta": 1.0,
        "swap_consistency": 1.0,
        "position_bias": pytest.approx(0, abs=1e-9),
        "connected": True,
    }


def test_the_scores_are_the_bradley_terry_utilities_of_the_answers():
    ranking = one(judge(), grey(0, 100))
    W = aggregate.wins(2, [(0, 1, aggregate.sigmoid(-2), 2.0)])
    theta, stderr = aggregate.bradley_terry(W, prior=0.1)
    assert ranking.scores == pytest.approx(tuple(theta)) and ranking.stderr == pytest.approx(tuple(stderr))


@given(st.lists(st.integers(0, 255), min_size=2, max_size=6), st.floats(-1.5, 1.5))
@settings(deadline=None)
def test_a_liking_for_one_position_cancels_and_is_reported(values, bias):
    fair, biased = one(judge(), grey(*values)), one(judge(bias), grey(*values))
    assert biased.scores == pytest.approx(fair.scores, abs=1e-7)
    assert biased.ranks == fair.ranks
    if len(set(values)) > 1:
        assert biased.details[0]["judge"]["position_bias"] == pytest.approx(bias, abs=1e-6)


def test_a_judge_that_always_takes_the_first_position_ties_everything():
    ranking = one(build(rankkit.pairwise(lambda first, second: 1.0)), grey(1, 2, 3))
    assert ranking.scores == (0, 0, 0)
    assert ranking.details[0]["judge"]["swap_consistency"] == 0


def test_a_failed_call_is_a_missing_edge_and_never_a_tie():
    def pair(first, second):
        return {first, second} == {10, 200}

    complete, failed = one(judge(), grey(10, 100, 200)), one(judge(fails=pair), grey(10, 100, 200))
    assert [detail["comparisons"] for detail in failed.details] == [1, 2, 1]
    W = aggregate.wins(3, [(0, 1, aggregate.sigmoid(-1.8), 2.0), (1, 2, aggregate.sigmoid(-2), 2.0)])
    assert failed.scores == pytest.approx(tuple(aggregate.bradley_terry(W)[0]), abs=1e-8)
    assert failed.scores != complete.scores and errors(failed) == [None] * 3
    assert failed.details[0]["judge"]["failed_calls"] == 2


def test_a_pair_heard_from_one_position_counts_half_and_without_the_usual_liking():
    bias = 0.7
    ranking = one(judge(bias, fails=lambda first, second: (first, second) == (200, 10)), grey(10, 100, 200))
    W = aggregate.wins(
        3,
        [
            (0, 1, aggregate.sigmoid(-1.8), 2.0),
            (1, 2, aggregate.sigmoid(-2), 2.0),
            (0, 2, aggregate.sigmoid(-3.8), 1.0),
        ],
    )
    assert ranking.scores == pytest.approx(tuple(aggregate.bradley_terry(W)[0]), abs=1e-7)
    assert ranking.details[0]["judge"]["failed_calls"] == 1


@pytest.mark.parametrize("bias", [3.0, -3.0])
def test_a_pair_judged_in_one_order_does_not_count_where_nothing_tells_the_position_bias(bias):
    ranking = one(judge(bias, fails=lambda first, second: first == 200), grey(100, 200))
    assert (
        all(map(math.isnan, ranking.scores))
        and errors(ranking) == ["TimeoutError: the judge did not answer"] * 2
    )
    assert ranking.details[0]["comparisons"] == 0 and ranking.details[0]["failed_calls"] == {"failed": 1}


def test_an_image_without_any_answer_abstains_with_its_reason_and_the_rest_is_ranked_as_if_it_were_absent():
    ranking = one(judge(fails=lambda first, second: 13 in (first, second)), grey(10, 13, 100, 200))
    without = one(judge(), grey(10, 100, 200))
    assert math.isnan(ranking.scores[1])
    assert errors(ranking) == [None, "TimeoutError: the judge did not answer", None, None]
    assert [score for score in ranking.scores if not math.isnan(score)] == pytest.approx(
        without.scores, abs=1e-8
    )
    assert same(ranking.ranks, (3, math.nan, 2, 1))


def test_where_every_call_fails_every_image_abstains_with_a_reason():
    ranking = one(judge(fails=lambda first, second: True), grey(1, 2, 3))
    assert all(map(math.isnan, ranking.scores)) and all(map(math.isnan, ranking.ranks))
    assert errors(ranking) == ["TimeoutError: the judge did not answer"] * 3


@pytest.mark.parametrize("answer", [math.nan, None, 1.5, -0.1, math.inf, "A"])
def test_an_answer_that_is_no_probability_is_a_failed_call(answer):
    ranking = one(build(rankkit.pairwise(lambda first, second: answer)), grey(1, 2))
    assert all(map(math.isnan, ranking.scores))
    assert all("finite number" in error or "not a probability" in error for error in errors(ranking))


def test_where_a_batch_of_pairs_fails_only_the_culprit_is_missing():
    def compare(firsts, seconds):
        if any(level(image) == 13 for image in (*firsts, *seconds)):
            raise ValueError("unlucky")
        return [float(level(a) > level(b)) for a, b in zip(firsts, seconds, strict=True)]

    ranking = one(build(compare), grey(1, 13, 2))
    assert same(ranking.ranks, (2, math.nan, 1))
    assert errors(ranking)[1] == "ValueError: unlucky"


def test_byte_identical_images_tie_and_are_asked_about_once():
    asked = []

    def compare(first, second):
        asked.append((level(first), level(second)))
        return float(level(first) > level(second))

    ranking = one(build(compare), grey(5, 9, 5, 9, 9))
    assert sorted(asked) == [(5, 9), (9, 5)]
    assert ranking.ranks == (4.5, 2, 4.5, 2, 2)


def test_images_that_are_all_alike_tie_without_being_asked_about():
    ranking = one(judge(fails=lambda first, second: True), grey(7, 7, 7))
    assert ranking.scores == (0, 0, 0) and errors(ranking) == [None] * 3
    assert one(judge(), grey(7)).scores == (0,)
    assert one(judge(), Group("", ())).scores == ()


def test_one_cycle_is_one_tie():
    beats = {(1, 2), (2, 3), (3, 1)}
    ranking = one(
        build(rankkit.pairwise(lambda first, second: float((level(first), level(second)) in beats))),
        grey(1, 2, 3),
    )
    assert ranking.ranks == (2, 2, 2)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=11), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_a_permuted_group_gets_the_permuted_ranking_ties_and_failures_included(values, shuffler):
    def noisy(first, second):
        a, b = level(first), level(second)
        draw = random.Random(a * 1000 + b)
        if draw.random() < 0.2:
            raise TimeoutError("the judge did not answer")
        return round(aggregate.sigmoid((a - b) / 5 + draw.gauss(0.3, 0.5)), 1)

    order = list(range(len(values)))
    shuffler.shuffle(order)
    ranker = build(rankkit.pairwise(noisy))
    straight, permuted = one(ranker, grey(*values)), one(ranker, grey(*(values[i] for i in order)))
    assert same(permuted.scores, [straight.scores[i] for i in order])
    assert same(permuted.ranks, [straight.ranks[i] for i in order])
    assert same(permuted.stderr, [straight.stderr[i] for i in order])
    for i, j in [(i, j) for i in range(len(values)) for j in range(len(values)) if values[i] == values[j]]:
        assert same([straight.scores[i]], [straight.scores[j]])


@given(st.lists(st.lists(st.integers(0, 255), max_size=4), max_size=3))
@settings(deadline=None, max_examples=30)
def test_what_a_judge_says_of_one_group_does_not_depend_on_the_others(values):
    ranker, groups = judge(0.4), [grey(*each) for each in values]
    for group, ranking in zip(groups, ranker.rank(groups), strict=True):
        assert ranking == one(ranker, group)


def test_above_eight_images_each_meets_as_many_others_as_the_degree_says():
    class Sparse(Pairwise):
        degree = 4

        def compare(self, first, second):
            return aggregate.sigmoid((level(first) - level(second)) / 100)

    ranking = one(Sparse(), grey(*range(0, 240, 20)))
    assert {detail["comparisons"] for detail in ranking.details} == {4}
    assert ranking.details[0]["judge"]["calls"] == 12 * 4 and ranking.details[0]["judge"]["connected"]
    assert ranking.ranks == tuple(range(12, 0, -1))


@given(st.lists(st.integers(0, 255), min_size=3, max_size=7, unique=True), st.data())
@settings(deadline=None, max_examples=30)
def test_turning_a_loss_into_a_win_never_lowers_the_winner(values, data):
    won = {(a, b): data.draw(st.booleans()) for a in values for b in values if a < b}

    def compare(first, second):
        a, b = level(first), level(second)
        return float(won[a, b]) if a < b else float(not won[b, a])

    before = one(build(compare), grey(*values))
    pair = data.draw(st.sampled_from(sorted(won)))
    won[pair] = not won[pair]
    winner = values.index(pair[0] if won[pair] else pair[1])
    assert one(build(compare), grey(*values)).ranks[winner] <= before.ranks[winner]
