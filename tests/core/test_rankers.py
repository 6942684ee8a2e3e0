import inspect
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import rankkit
from rankkit import Group, Pairwise, Pointwise, Ranking, Scored, build
from rankkit.core import aggregate
from rankkit.core.calling import describe
from rankkit.core.stated import kind_of, needs_prompt
from rankkit.errors import BadOption, BrokenRanker


def grey(*values, prompt="a cat", **more):
    """A group of small grey images; an image's red channel is its quality."""
    return Group(prompt, tuple(Image.new("RGB", (2, 2), (value, value, value)) for value in values), **more)


def level(image):
    return image.getpixel((0, 0))[0]


def errors(ranking):
    return [detail.get("error") for detail in ranking.details] or [None] * len(ranking.scores)


def same(a, b):
    return len(a) == len(b) and all(
        x == y or (math.isnan(x) and math.isnan(y)) for x, y in zip(a, b, strict=True)
    )


def one(ranker, group):
    (ranking,) = ranker.rank([group])
    return ranking


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


# --- marking ---


def test_a_marked_function_stays_that_very_function():
    def brightness(image, *, scale=1.0):
        """Bright is good."""
        return scale * level(image)

    signature = inspect.signature(brightness)
    for mark in (rankkit.pointwise, rankkit.pairwise):
        assert mark(brightness) is brightness
    assert inspect.signature(brightness) == signature
    assert brightness(Image.new("RGB", (1, 1), (7, 0, 0)), scale=2) == 14


def test_the_mark_or_else_the_names_say_what_a_function_is():
    assert kind_of(rankkit.pointwise(lambda image: 0)) == "pointwise"
    assert kind_of(rankkit.pairwise(lambda first, second: 0)) == "pairwise"
    assert kind_of(lambda image: 0) == kind_of(lambda images, prompts: 0) == "pointwise"
    assert kind_of(lambda firsts, seconds: 0) == "pairwise"
    assert kind_of(lambda groups: 0) == kind_of(object()) == "listwise"
    assert (kind_of(Pointwise), kind_of(Pairwise())) == ("pointwise", "pairwise")


def test_a_ranker_needs_a_prompt_when_it_asks_for_one_and_has_no_default():
    assert needs_prompt(lambda image, prompt: 0) and needs_prompt(lambda images, prompts: 0)
    assert not needs_prompt(lambda image: 0) and not needs_prompt(lambda image, prompt="": 0)

    class Asks(Pointwise):
        def score(self, images, prompts):
            return [0.0] * len(images)

    class Denies(Asks):
        needs_prompt = False

    assert needs_prompt(Asks) and needs_prompt(Asks()) and not needs_prompt(Denies)
    assert needs_prompt(build(lambda image, prompt: 0))
    assert not needs_prompt(object())


# --- pointwise ---


def test_a_function_is_given_the_names_it_asks_for_by_keyword_and_no_others():
    seen = []
    build(lambda prompt, image: seen.append((prompt, level(image))) or 0).rank(
        [grey(1, 2), grey(3, prompt="a dog")]
    )
    assert seen == [("a cat", 1), ("a cat", 2), ("a dog", 3)]
    build(lambda metadata, image: seen.append(metadata["tag"]) or 0).rank(
        [grey(1, metadata={"tag": "colors"})]
    )
    assert seen[-1] == "colors"


def test_plural_names_are_given_all_images_of_all_groups_at_once():
    calls = []

    def score(images, prompts, metadata):
        calls.append((len(images), list(prompts), [m.get("k") for m in metadata]))
        return [level(image) for image in images]

    rankings = build(score).rank(
        [grey(5, 1), grey(9, prompt="a dog", metadata={"k": 1}), Group("nobody", ())]
    )
    assert calls == [(3, ["a cat", "a cat", "a dog"], [None, None, 1])]
    assert [ranking.scores for ranking in rankings] == [(5, 1), (9,), ()]


def test_a_function_that_takes_anything_is_given_whole_batches():
    calls = []

    def score(**columns):
        calls.append(sorted(columns))
        return [level(image) for image in columns["images"]]

    assert one(build(rankkit.pointwise(score)), grey(1, 2)).scores == (1, 2)
    assert calls == [["images", "metadata", "prompts"]]


def test_options_are_bound_when_it_is_built_and_a_class_gets_them_in_its_constructor():
    assert one(build(lambda image, *, scale=1: scale * level(image), scale=3), grey(2)).scores == (6,)

    class Scaled(Pointwise):
        def __init__(self, *, scale=1):
            self.scale = scale

        def score(self, images):
            return [self.scale * level(image) for image in images]

    assert one(build(Scaled, scale=3), grey(2)) == Ranking((6,), "pointwise")
    assert one(build(Scaled(scale=5)), grey(2)).scores == (10,)


def test_where_a_batch_fails_only_the_culprit_abstains():
    def score(images):
        if any(level(image) == 13 for image in images):
            raise ValueError("unlucky\n  image")
        return [level(image) for image in images]

    rankings = build(score).rank([grey(1, 13, 2), grey(3)])
    assert same(rankings[0].scores, (1, math.nan, 2)) and rankings[1].scores == (3,)
    assert errors(rankings[0]) == [None, "ValueError: unlucky image", None]


def test_a_function_for_one_image_fails_for_one_image():
    ranking = one(build(lambda image: 1 / (level(image) - 2)), grey(1, 2, 3))
    assert same(ranking.scores, (-1, math.nan, 1))
    assert errors(ranking)[1] == "ZeroDivisionError: division by zero"


def test_a_batch_of_the_wrong_length_is_asked_one_by_one():
    def last_is_lost(images):
        return [level(image) for image in images][: max(1, len(images) - 1)]

    assert one(build(last_is_lost), grey(4, 5, 6)).scores == (4, 5, 6)


def test_a_length_that_is_always_wrong_abstains_and_says_so():
    ranking = one(build(lambda images: [1.0, 2.0, 3.0]), grey(4, 5))
    assert all(map(math.isnan, ranking.scores))
    assert errors(ranking) == ["it returned 3 scores for 1 images"] * 2


@pytest.mark.parametrize("answer", [math.nan, None, math.inf, -math.inf, "good", [], {}, object, 10**400])
def test_what_is_no_finite_number_abstains_and_is_shown(answer):
    ranking = one(build(lambda image: answer if level(image) == 1 else 0.5), grey(1, 2))
    assert same(ranking.scores, (math.nan, 0.5))
    assert errors(ranking) == [f"the ranker returned {answer!r:.80} instead of a finite number", None]


@pytest.mark.parametrize("answer", [True, 3, np.float32(0.5), np.int64(2), np.array(1.5)])
def test_anything_that_is_a_number_is_one(answer):
    assert one(build(lambda image: answer), grey(1)) == Ranking((float(answer),), "pointwise")


def test_batches_may_come_back_as_arrays_or_generators():
    assert one(build(lambda images: np.arange(len(images), dtype=np.float32)), grey(1, 2)).scores == (0, 1)
    assert one(build(lambda images: (level(image) for image in images)), grey(1, 2)).scores == (1, 2)


def test_a_scored_brings_its_standard_error_and_its_evidence():
    answers = {
        1: Scored(0.25, 0.5, {"reason": "blurred"}),
        2: 0.75,
        3: Scored(math.nan, details={"error": "refused", "raw": "no"}),
    }
    ranking = one(build(lambda image: answers[level(image)]), grey(1, 2, 3))
    assert same(ranking.scores, (0.25, 0.75, math.nan))
    assert same(ranking.stderr, (0.5, math.nan, math.nan))
    assert ranking.details == ({"reason": "blurred"}, {}, {"error": "refused", "raw": "no"})


def test_a_negative_standard_error_is_left_out_and_said_and_the_score_stands():
    answers = {1: Scored(0.25, -0.5, {"reason": "blurred"}), 2: Scored(0.75, 0.5)}
    ranking = one(build(lambda image: answers[level(image)]), grey(1, 2))
    assert ranking.scores == (0.25, 0.75) and same(ranking.stderr, (math.nan, 0.5))
    assert ranking.details[0]["reason"] == "blurred" and "gave -0.5" in ranking.details[0]["stderr"]


def test_an_infinite_scored_keeps_its_evidence_and_gets_a_reason():
    ranking = one(build(lambda image: Scored(math.inf, 1.0, {"raw": "∞"})), grey(1))
    assert math.isnan(ranking.scores[0])
    assert ranking.details == ({"raw": "∞", "error": "the ranker returned inf instead of a finite number"},)


def test_without_evidence_there_are_no_details_and_without_spread_no_standard_errors():
    assert one(build(lambda image: 1), grey(1, 2)) == Ranking((1, 1), "pointwise", None, ())


@given(st.lists(st.lists(st.integers(0, 255), max_size=5), max_size=4))
@settings(deadline=None)
def test_groups_are_independent_and_batches_have_no_effect(values):
    ranker = build(lambda images: [math.nan if level(image) == 13 else level(image) for image in images])
    groups = [grey(*each, prompt=str(k)) for k, each in enumerate(values)]
    together = ranker.rank(groups)
    assert len(together) == len(groups)
    for group, ranking in zip(groups, together, strict=True):
        alone = one(ranker, group)
        assert same(ranking.scores, alone.scores) and ranking.details == alone.details


def test_nothing_to_rank_calls_nobody():
    def never(images):
        raise AssertionError("called")

    assert build(never).rank([]) == []
    assert build(never).rank([Group("", ())]) == [Ranking((), "pointwise")]


def test_keyboard_interrupts_are_not_taken_for_failures_of_an_image():
    def interrupted(image):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(interrupted).rank([grey(1)])


# --- what cannot be built ---


def test_an_argument_that_rankkit_cannot_give_is_named():
    with pytest.raises(
        BrokenRanker,
        match=r"takes 'caption', which rankkit cannot give.*image, prompt, metadata.*after a bare \*",
    ):
        build(lambda image, caption: 0)


@pytest.mark.parametrize("target", [lambda x: 0, 3, "sharpness", object(), object, None])
def test_what_is_no_ranker_is_refused_with_the_next_step(target):
    with pytest.raises(BrokenRanker, match=r"name its arguments image, prompt|subclass rankkit\.Pointwise"):
        build(target)


def test_what_is_built_already_takes_no_options():
    with pytest.raises(BrokenRanker, match=r"built already and takes no options \(scale\)"):
        build(build(lambda image: 0), scale=2)


def test_an_option_that_a_function_does_not_have_is_refused_when_it_is_built():
    with pytest.raises(BadOption, match=r"<lambda>\(image, \*, scale=1\) has no such option: typo"):
        build(lambda image, *, scale=1: scale, typo=3)


def test_anything_that_ranks_is_built_as_it_is():
    class Mine:
        def rank(self, groups):
            return []

    mine = Mine()
    assert build(mine) is mine and isinstance(build(Mine), Mine)


def test_an_exception_is_described_in_one_line():
    assert describe(ValueError("a\n  b")) == "ValueError: a b"
    assert describe(KeyError()) == "KeyError"
    assert describe(BrokenRanker("it broke")) == "it broke"


# --- pairwise ---


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


# --- reward functions of other trainers ---


def batch_of(answer):
    """A ranker of a reward function that gives this answer of the images' levels."""

    def reward(images, prompts, metadata):
        assert len(images) == len(prompts) == len(metadata)
        return answer([float(level(image)) for image in images])

    return build(reward)


@pytest.mark.parametrize(
    "answer",
    [
        list,
        tuple,
        np.array,
        lambda levels: np.array(levels)[:, None],
        lambda levels: (levels, {}),
        lambda levels: (np.array(levels), {"accuracy": 0.5}),
        lambda levels: [levels, {}][0],
    ],
)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_list_an_array_and_scores_with_info_are_scores(answer, count):
    found = one(batch_of(answer), grey(*[10, 20, 30][:count]))
    assert found.scores == (10.0, 20.0, 30.0)[:count] and errors(found) == [None] * count


def test_a_tensor_of_scores_is_scores():
    torch = pytest.importorskip("torch")
    for answer in (torch.tensor, lambda levels: (torch.tensor(levels, requires_grad=True).half(), {})):
        assert one(batch_of(answer), grey(10, 20)).scores == (10.0, 20.0)


@pytest.mark.parametrize(
    "answer, says",
    [
        (
            lambda levels: {"avg": levels, "ocr": levels},
            "it returned a mapping (avg, ocr), not a list of scores",
        ),
        (lambda levels: ({"avg": levels}, {}), "it returned a mapping (avg), not a list of scores"),
        (lambda levels: 0.5, "it returned 0.5, not a list of scores"),
        (lambda levels: None, "it returned None, not a list of scores"),
        (lambda levels: "good", "it returned 'good', not a list of scores"),
        (lambda levels: (levels, levels, levels, {}, {}), "it returned 5 scores for 1 images"),
        (lambda levels: (0.5, {}), "it returned 0.5, not a list of scores"),
    ],
)
def test_what_is_no_list_of_scores_is_refused_in_words(answer, says):
    for count in (1, 2, 3):
        found = one(batch_of(answer), grey(*[10, 20, 30][:count]))
        assert all(map(math.isnan, found.scores)) and errors(found) == [says] * count
