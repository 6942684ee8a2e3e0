"""What a pairwise ranking says of its judge: circles, ties, failures by kind, what it cost."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import rankkit
from rankkit import Scored
from rankkit.core import aggregate


def group(n):
    return rankkit.Group("", tuple(Image.new("RGB", (1, 1), (i, 0, 0)) for i in range(n)))


def of(compare, n):
    (ranking,) = rankkit.build(rankkit.pairwise(compare)).rank([group(n)])
    return ranking.details[0]["judge"]


def number(image):
    return image.getpixel((0, 0))[0]


def test_three_that_go_round_are_one_circular_triad_and_no_consistence():
    assert aggregate.triads(3, {(0, 1): 0.9, (1, 2): 0.6, (0, 2): 0.1}) == {
        "triads": 1,
        "circular_triads": 1,
        "zeta": 0.0,
    }
    assert aggregate.triads(3, {(0, 1): 0.9, (1, 2): 0.6, (0, 2): 0.8}) == {
        "triads": 1,
        "circular_triads": 0,
        "zeta": 1.0,
    }


def test_a_pair_that_was_not_compared_closes_no_triad_and_leaves_no_coefficient():
    assert aggregate.triads(3, {(0, 1): 0.9, (1, 2): 0.6}) == {
        "triads": 0,
        "circular_triads": 0,
        "zeta": None,
    }
    assert aggregate.triads(2, {(0, 1): 0.9})["zeta"] is None


@given(st.integers(3, 9), st.data())
def test_circular_triads_are_those_that_counting_finds(n, data):
    pairs = list(itertools.combinations(range(n), 2))
    p = {pair: data.draw(st.sampled_from([0.2, 0.5, 0.9])) for pair in pairs if data.draw(st.booleans())}

    def beats(i, j):
        return p.get((i, j), 0.5) > 0.5 or p.get((j, i), 0.5) < 0.5

    found = aggregate.triads(n, p)
    three = list(itertools.combinations(range(n), 3))
    assert found["triads"] == sum(all(pair in p for pair in itertools.combinations(t, 2)) for t in three)
    assert found["circular_triads"] == sum(
        (beats(i, j) and beats(j, k) and beats(k, i)) or (beats(j, i) and beats(k, j) and beats(i, k))
        for i, j, k in three
    )


@pytest.mark.parametrize("n", [5, 6])
def test_the_most_circular_tournament_has_no_consistence(n):
    """Each item beats the next half of the ring: as many circles as there can be (Kendall and Babington Smith
    1940).
    """
    p = {
        (i, j): float((j - i) <= n // 2 - (n % 2 == 0 and i >= n // 2))
        for i, j in itertools.combinations(range(n), 2)
    }
    assert aggregate.triads(n, p)["zeta"] == pytest.approx(0)


def test_failures_are_counted_by_their_kind_and_more_than_a_fifth_degrades_a_ranking():
    def compare(first, second):
        if number(first) == 0:
            return Scored(math.nan, details={"error": "no answer in 3 s", "failure": "timeout"})
        return math.nan if number(second) == 0 else 0.5

    judge = of(compare, 4)
    assert judge["failures"] == {"timeout": 3, "failed": 3} and judge["degraded"] is True
    assert judge["failed_calls"] == 6


def test_a_judge_without_failures_says_nothing_of_them():
    assert not {"failures", "degraded", "tokens"} & set(of(lambda first, second: 0.5, 3))


def test_ties_are_the_pairs_within_a_twentieth_of_one_half():
    assert of(lambda first, second: 0.5, 3)["ties"] == 3
    assert of(lambda first, second: float(number(first) > number(second)), 3)["ties"] == 0


def test_the_tokens_that_calls_cost_are_added_up():
    assert of(lambda first, second: Scored(0.5, details={"tokens": 7}), 3)["tokens"] == 42


def test_calls_made_twice_tell_how_often_a_judge_agrees_with_itself():
    def compare(first, second):
        better = number(first) > number(second)
        return Scored(0.9 if better else 0.1, details={"again": 0.6, "tokens": 2})

    judge = of(compare, 3)
    assert judge["repeats"] == 6 and judge["repeat_consistency"] == 0.5 and judge["calls"] == 6
    assert "repeats" not in of(lambda first, second: Scored(0.5, details={"again": "maybe"}), 3)
