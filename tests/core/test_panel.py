import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rankkit import Group, Ranking, lexicographic, mean_rank
from rankkit.core.stated import needs_prompt
from rankkit.errors import BrokenRanker, RankkitError, UsageError

NAN = math.nan
IMAGE = Image.new("RGB", (1, 1))
LEVELS = st.integers(0, 3).map(float)


def columns(count, answers=LEVELS, max_size=6):
    """Scores of some members for one group, all of one length."""
    return st.integers(0, max_size).flatmap(
        lambda n: st.lists(st.lists(answers, min_size=n, max_size=n), min_size=count, max_size=count)
    )


class Says:
    """A ranker that says what it was told to."""

    def __init__(self, *verdicts, reason="refused"):
        self.verdicts = [
            Ranking(tuple(scores), details=tuple({"error": reason} if math.isnan(s) else {} for s in scores))
            for scores in verdicts
        ]

    def rank(self, groups):
        return self.verdicts


def groups(n):
    return [Group("", (IMAGE,) * n)]


def panel(*scores, weights=None):
    members = {f"m{i}": Says(each) for i, each in enumerate(scores)}
    return mean_rank(members, None if weights is None else dict(zip(members, weights, strict=True))).rank(
        groups(len(scores[0]))
    )[0]


def lexi(*scores):
    return lexicographic(*(Says(each) for each in scores)).rank(groups(len(scores[0])))[0]


def same(a, b):
    return len(a) == len(b) and all(
        x == y or (math.isnan(x) and math.isnan(y)) for x, y in zip(a, b, strict=True)
    )


# --- mean rank ---


def test_the_mean_rank_is_the_one_computed_by_hand():
    # shares (3 - rank) / 2: first 1, ½, 0; second ¼, ¼, 1 with a tie at rank 2½
    found = panel([9, 5, 1], [2, 2, 7])
    assert found.scores == ((1 + 0.25) / 2, (0.5 + 0.25) / 2, (0 + 1) / 2)
    assert found.kind == "listwise" and found.ranks == (1, 3, 2)
    assert found.details[0] == {
        "members": {"m0": {"score": 9, "rank": 1, "weight": 1}, "m1": {"score": 2, "rank": 2.5, "weight": 1}}
    }


def test_weights_count_each_member_as_often_as_they_say():
    assert panel([1, 0], [0, 1], weights=[2, 1]).scores == pytest.approx((2 / 3, 1 / 3))
    assert panel([1, 0, 2], [0, 1, 2], weights=[2, 1]).scores == pytest.approx(
        panel([1, 0, 2], [1, 0, 2], [0, 1, 2]).scores
    )


@given(columns(2), st.floats(0.1, 10))
def test_scaling_all_weights_changes_nothing(scores, factor):
    assert panel(*scores, weights=[1, 2]).ranks == panel(*scores, weights=[factor, 2 * factor]).ranks


@given(columns(2))
def test_scales_and_outliers_of_a_member_do_not_matter(scores):
    first, second = scores
    assert panel(first, second).scores == panel([math.exp(20 * score) for score in first], second).scores


@given(columns(1))
def test_a_ranker_that_cannot_tell_anything_apart_is_neutral(scores):
    (own,) = scores
    assert panel(own, [0.0] * len(own)).ranks == Ranking(tuple(own)).ranks
    assert panel(own).ranks == Ranking(tuple(own)).ranks


@given(columns(3), st.randoms(use_true_random=False))
def test_a_permuted_group_and_permuted_members_get_the_same_verdict(scores, random):
    order = list(range(len(scores[0])))
    random.shuffle(order)
    found = panel(*scores)
    assert panel(*([each[i] for i in order] for each in scores)).scores == tuple(
        found.scores[i] for i in order
    )
    assert panel(*scores[::-1]).ranks == found.ranks


@given(columns(2))
def test_who_is_first_for_every_member_has_one_and_who_is_last_for_every_member_has_zero(scores):
    first, second = scores
    found = panel([*first, 9.0, -9.0], [*second, 9.0, -9.0])
    assert found.scores[-2:] == (1.0, 0.0) and all(0 < score < 1 for score in found.scores[:-2])


def test_an_image_on_which_a_member_abstains_is_abstained_on_with_that_members_reason():
    found = panel([1, NAN, 3], [1, 2, NAN])
    assert same(found.scores, (0.5, NAN, NAN))  # alone in being judged by both
    assert [detail.get("error") for detail in found.details] == [None, "m0: refused", "m1: refused"]
    assert panel([NAN], [NAN]).details[0]["error"] == "m0: refused; m1: refused"


def test_an_image_that_is_abstained_on_does_not_move_the_others():
    scores = panel([1, 2.5, 2, 3], [2, NAN, 3, 1]).scores
    assert (scores[0], *scores[2:]) == panel([1, 2, 3], [2, 3, 1]).scores


def test_a_member_without_details_abstains_without_a_reason():
    class Bare:
        def rank(self, groups):
            return [Ranking((NAN, 1.0))]

    assert mean_rank({"bare": Bare()}).rank(groups(2))[0].details[0]["error"] == "bare: abstained"
    assert lexicographic(Bare()).rank(groups(2))[0].details[0]["error"] == "abstained"


def test_the_only_candidate_is_in_the_middle():
    assert panel([7]).scores == (0.5,) and panel([]).scores == ()


@pytest.mark.parametrize("weight", [0, -1, NAN, math.inf])
def test_weights_are_positive_numbers(weight):
    with pytest.raises(UsageError, match=r"the weight of a is .* positive"):
        mean_rank({"a": Says()}, {"a": weight})


def test_a_panel_has_members_and_one_weight_for_each():
    with pytest.raises(UsageError, match="at least one ranker"):
        mean_rank({})
    with pytest.raises(UsageError, match=r"weights name \['b'\], the rankers are \['a'\]"):
        mean_rank({"a": Says()}, {"b": 1})
    with pytest.raises(UsageError, match="at least one ranker"):
        lexicographic()


# --- lexicographic ---


def test_the_second_ranker_decides_only_the_ties_of_the_first():
    found = lexi([1, 1, 0, 0], [5, 6, 9, 9])
    assert found.ranks == (2, 1, 3.5, 3.5)
    assert found.scores == (2, 3, 0.5, 0.5) and found.kind == "listwise"
    assert found.details[0] == {"members": [1, 5]}


@given(columns(3))
def test_a_refinement_never_contradicts_what_it_refines(scores):
    found = lexi(*scores)
    for i, j in itertools.permutations(range(len(scores[0])), 2):
        key_i, key_j = ([each[k] for each in scores] for k in (i, j))
        assert (found.scores[i] > found.scores[j]) == (key_i > key_j)


@given(columns(1))
def test_a_constant_is_neutral_on_either_side(scores):
    (own,) = scores
    plain = Ranking(tuple(own)).ranks
    assert lexi(own, [3.0] * len(own)).ranks == lexi([3.0] * len(own), own).ranks == lexi(own).ranks == plain


@given(columns(3))
def test_refining_is_associative(scores):
    a, b, c = (Says(each) for each in scores)
    all_of = groups(len(scores[0]))
    flat = lexicographic(a, b, c).rank(all_of)[0].ranks
    assert lexicographic(lexicographic(a, b), c).rank(all_of)[0].ranks == flat
    assert lexicographic(a, lexicographic(b, c)).rank(all_of)[0].ranks == flat


@given(columns(2))
def test_an_increasing_transform_of_either_changes_nothing(scores):
    first, second = scores
    assert lexi([math.exp(s) for s in first], [s**3 for s in second]).scores == lexi(first, second).scores


@given(columns(2, st.one_of(LEVELS, st.just(NAN))), st.randoms(use_true_random=False))
def test_permutations_carry_through_a_refinement(scores, random):
    order = list(range(len(scores[0])))
    random.shuffle(order)
    found = lexi(*scores).scores
    assert same(lexi(*([each[i] for i in order] for each in scores)).scores, [found[i] for i in order])


def test_an_abstention_counts_only_where_the_opinion_matters():
    found = lexi([2, 1, 1], [NAN, 5, 6])
    assert found.ranks == (1, 3, 2) and "error" not in found.details[0]
    found = lexi([1, 1, 1], [NAN, 5, 6])
    assert same(found.ranks, (NAN, 2, 1)) and found.details[0]["error"] == "refused"
    assert same(lexi([NAN, 1, 2], [9, 9, 9]).ranks, (NAN, 2, 1))
    assert all(map(math.isnan, lexi([NAN, NAN], [1, 2]).scores))


# --- both ---


def test_every_group_is_judged_for_itself():
    two = [Group("", (IMAGE,) * 2), Group("", (IMAGE,) * 3)]
    for ranker in (mean_rank({"a": Says([1, 2], [3, 2, 1])}), lexicographic(Says([1, 2], [3, 2, 1]))):
        assert [ranking.ranks for ranking in ranker.rank(two)] == [(2, 1), (1, 2, 3)]
        assert isinstance(ranker.rank(two)[0], Ranking)


def test_a_member_that_loses_a_group_is_named():
    with pytest.raises(BrokenRanker, match="odd returned 2 rankings for 1 groups"):
        mean_rank({"odd": Says([1], [2])}).rank(groups(1))


def test_a_member_that_loses_an_image_is_named():
    with pytest.raises(BrokenRanker, match="odd returned 1 scores for 2 images"):
        mean_rank({"fine": Says([1.0, 2.0]), "odd": Says([1.0])}).rank(groups(2))


def test_a_panel_needs_a_prompt_when_a_member_does():
    class Needy(Says):
        needs_prompt = True

    assert needs_prompt(mean_rank({"a": Says(), "b": Needy()})) and needs_prompt(
        lexicographic(Says(), Needy())
    )
    assert not needs_prompt(mean_rank({"a": Says()}))


def test_panels_nest():
    inner = mean_rank({"a": Says([1, 2]), "b": Says([1, 2])})
    assert mean_rank({"inner": inner, "c": Says([1, 2])}).rank(groups(2))[0].scores == (0, 1)
    with pytest.raises(RankkitError):
        mean_rank({"inner": inner}, {"inner": 0})
