import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rankkit import Group, Ranker, Ranking, RankkitError, Scored
from rankkit.core.types import ranks

SCORES = st.lists(st.one_of(st.integers(-3, 3).map(float), st.floats(allow_infinity=False)), max_size=30)


def same(a, b):
    return len(a) == len(b) and all(
        x == y or (math.isnan(x) and math.isnan(y)) for x, y in zip(a, b, strict=True)
    )


def solid_image(color="red", mode="RGB", size=(4, 3)):
    return Image.new(mode, size, color)


# --- ranks ---


def test_one_is_best_and_ties_share_their_mean_rank():
    assert Ranking((0.2, 0.9, 0.9)).ranks == (3.0, 1.5, 1.5)
    assert Ranking((5, 5, 5, 5)).ranks == (2.5,) * 4
    assert Ranking((1, 3, 2)).ranks == (3.0, 1.0, 2.0)


def test_an_abstention_has_no_rank_and_takes_no_place():
    assert same(Ranking((3, math.nan, 3, 1)).ranks, (1.5, math.nan, 1.5, 3))
    assert same(Ranking((math.nan, math.nan)).ranks, (math.nan, math.nan))
    assert Ranking(()).ranks == ()


def test_minus_zero_ties_with_zero():
    assert ranks([0.0, -0.0]) == (1.5, 1.5)


@given(SCORES)
def test_ranks_are_the_mean_place_among_all_sorted_orders(scores):
    ranked = [score for score in scores if not math.isnan(score)]
    expected = tuple(
        math.nan
        if math.isnan(s)
        else 1 + sum(other > s for other in ranked) + (sum(other == s for other in ranked) - 1) / 2
        for s in scores
    )
    assert same(ranks(scores), expected)


@given(SCORES)
def test_ranks_of_n_candidates_sum_to_that_of_one_to_n(scores):
    found = [rank for rank in ranks(scores) if not math.isnan(rank)]
    assert sum(found) == len(found) * (len(found) + 1) / 2


@given(SCORES, st.randoms(use_true_random=False))
def test_ranks_follow_a_permutation_of_their_scores(scores, random):
    order = list(range(len(scores)))
    random.shuffle(order)
    assert same(ranks([scores[i] for i in order]), [ranks(scores)[i] for i in order])


@given(st.lists(st.integers(-50, 50), max_size=20))
def test_an_increasing_transform_of_scores_changes_no_rank_and_a_negation_reverses_them(scores):
    assert ranks(scores) == ranks([math.exp(score / 10) for score in scores])
    assert ranks([-score for score in scores]) == tuple(len(scores) + 1 - rank for rank in ranks(scores))


@given(SCORES, st.integers(0, 29))
def test_a_candidate_that_fails_leaves_the_order_of_the_others_as_if_it_were_absent(scores, k):
    if k < len(scores):
        without = ranks(scores[:k] + scores[k + 1 :])
        failed = ranks([*scores[:k], math.nan, *scores[k + 1 :]])
        assert same(without, failed[:k] + failed[k + 1 :])


# --- Ranking ---


@pytest.mark.parametrize("score", [math.inf, -math.inf])
def test_infinite_scores_are_refused_by_name(score):
    with pytest.raises(RankkitError, match=f"score 1 is {score}; scores are finite, or NaN to abstain"):
        Ranking((0.0, score))


@pytest.mark.parametrize("scores", [(None,), ("good",), (object(),), (10**400,), 3])
def test_what_is_no_number_is_refused_as_a_score(scores):
    with pytest.raises(RankkitError, match="scores and standard errors are numbers"):
        Ranking(scores)


@pytest.mark.parametrize("error", [-0.5, -1e308, -math.inf])
def test_negative_standard_errors_are_refused_by_name(error):
    with pytest.raises(RankkitError, match="the standard error of score 1 is -.*; it is 0 or more"):
        Ranking((1, 2), stderr=(0.1, error))
    assert Ranking((1, 2), stderr=(0, math.nan)).stderr[0] == 0


def test_lengths_are_checked():
    with pytest.raises(RankkitError, match="2 scores and 1 standard errors"):
        Ranking((1, 2), stderr=(0.1,))
    with pytest.raises(RankkitError, match="2 scores and 3 details"):
        Ranking((1, 2), details=({}, {}, {}))
    assert Ranking((1, 2)).details == ()


def test_a_ranking_holds_tuples_of_floats_whatever_it_was_given():
    ranking = Ranking([1, 2], "pointwise", [0, 1], [{"a": 1}, {}])
    assert ranking.scores == (1.0, 2.0) and all(type(score) is float for score in ranking.scores)
    assert ranking.stderr == (0.0, 1.0) and ranking.details == ({"a": 1}, {})
    assert ranking == Ranking((1.0, 2.0), "pointwise", (0.0, 1.0), ({"a": 1}, {}))


def test_the_kind_is_one_of_three_and_listwise_when_nothing_is_said():
    assert Ranking((1,)).kind == "listwise"
    with pytest.raises(RankkitError, match="pointwise, pairwise, listwise, not 'absolute'"):
        Ranking((1,), "absolute")


def test_rankings_and_groups_cannot_be_changed():
    with pytest.raises(AttributeError):
        Ranking((1,)).scores = (2.0,)
    with pytest.raises(AttributeError):
        Group("a cat", ()).prompt = "a dog"


# --- Group ---


def test_images_of_a_group_are_eight_bit_rgb_whatever_they_were():
    modes = ("RGB", "RGBA", "L", "LA", "1", "P", "CMYK", "YCbCr", "HSV", "I;16", "I")
    group = Group("a cat", [Image.new(mode, (2, 2)) for mode in modes])
    assert isinstance(group.images, tuple)
    assert [image.mode for image in group.images] == ["RGB"] * len(modes)


def test_an_rgb_image_of_a_group_is_the_very_one_that_was_given():
    image = solid_image()
    assert Group("a cat", (image,)).images[0] is image


def test_swapped_prompt_and_images_are_told_apart():
    with pytest.raises(RankkitError, match="are prompt and images swapped"):
        Group([solid_image()], "a cat")
    with pytest.raises(RankkitError, match="not str"):
        Group("a cat", "cat.png")


@pytest.mark.parametrize("wrong", ["cat.png", b"\x89PNG", None, [[0, 0, 0]]])
def test_what_is_no_pillow_image_is_named_with_its_place(wrong):
    with pytest.raises(RankkitError, match=f"image 1 of a group is {type(wrong).__name__}"):
        Group("a cat", (solid_image(), wrong))


def test_float_pixels_are_refused_because_their_range_is_unknown():
    with pytest.raises(RankkitError, match=r"image 0 .* 32-bit float pixels have no agreed range"):
        Group("a cat", (Image.new("F", (2, 2)),))


def test_a_group_has_one_name_per_image_or_none():
    assert Group("", (solid_image(),), names=["a.png"]).names == ("a.png",)
    with pytest.raises(RankkitError, match="1 images and 2 names"):
        Group("", (solid_image(),), names=("a", "b"))


def test_a_group_may_be_empty_and_its_metadata_is_a_mapping():
    assert Group("", ()).images == () and Group("", ()).metadata == {}


# --- the protocol ---


def test_anything_with_rank_is_a_ranker_and_nothing_else():
    class Mine:
        def rank(self, groups):
            return [Ranking((0.0,) * len(group.images)) for group in groups]

    assert isinstance(Mine(), Ranker)
    assert not isinstance(object(), Ranker)


def test_a_scored_holds_a_score_and_what_is_known_about_it():
    assert Scored(1.0) == Scored(1.0, None, {})
