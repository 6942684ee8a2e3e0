"""Functions and classes as rankers: what they are given, what they may answer, what cannot be built."""

import inspect
import math
import re

import numpy as np
import pytest
from grey_groups import errors, grey, level, one, same
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import rankkit
from rankkit import Group, Pairwise, Pointwise, Ranking, Scored, build
from rankkit.core.binding import describe
from rankkit.core.calling import rank_groups
from rankkit.core.stated import kind_of, needs_prompt
from rankkit.errors import BadOption, BrokenRanker

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


def refuses(prompt: str) -> float:
    """As a tokenizer does what is no Unicode."""
    try:
        return float(len(prompt.encode()))
    except UnicodeEncodeError:
        raise TypeError("TextEncodeInput must be Union[TextInputSequence, …]") from None


class InTwo(Pointwise):
    def prepare(self, image):
        return image.width

    def score(self, prepared, prompts):
        return [refuses(prompt) for prompt in prompts]


class Lists:
    def rank(self, groups):
        return [Ranking((refuses(group.prompt),) * len(group.images)) for group in groups]


@pytest.mark.parametrize(
    "target",
    [
        rankkit.pointwise(lambda image, prompt: refuses(prompt)),
        rankkit.pointwise(lambda images, prompts: [refuses(prompt) for prompt in prompts]),
        rankkit.pairwise(lambda first, second, prompt: refuses(prompt) / 9),
        InTwo,
        Lists,
    ],
)
def test_a_prompt_that_holds_half_a_character_is_said_in_words_by_every_ranker(target):
    images = (Image.new("RGB", (8, 8)), Image.new("RGB", (8, 8), "red"))
    groups = [Group(prompt, images) for prompt in ("fox", "a \ud83d fox")]
    good, bad = rank_groups(build(target), groups, "it")
    assert not any(map(math.isnan, good.scores)) and all(map(math.isnan, bad.scores))
    assert re.search(r"the prompt holds half a character \(\\+ud83d, character 3\)", str(bad.details[0]))
    assert "write the prompt anew (TypeError: TextEncodeInput" in str(bad.details[0])


def test_an_exception_is_described_in_one_line():
    assert describe(ValueError("a\n  b")) == "ValueError: a b"
    assert describe(KeyError()) == "KeyError"
    assert describe(BrokenRanker("it broke")) == "it broke"


def batch_of(answer):
    """A ranker of a reward function that gives this answer of the images' levels."""

    def reward(images, prompts, metadata):
        assert len(images) == len(prompts) == len(metadata)
        return answer([float(level(image)) for image in images])

    return build(reward)


# --- reward functions of other trainers ---


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
