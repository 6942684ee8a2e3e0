"""Calling a ranker: what it may be asked with, what it may return, and what its failures cost."""

import pytest
from PIL import Image

from rankkit import Group, Pairwise, Pointwise, Ranking, RunStopped, build, mean_rank
from rankkit.core.binding import RESERVED_OPTIONS, bind
from rankkit.core.calling import LazyRanker, rank_groups
from rankkit.errors import BadOption, BrokenRanker


def group(*levels, **fields):
    return Group("a cat", tuple(Image.new("RGB", (2, 2), (level,) * 3) for level in levels), **fields)


class Says:
    """Answers each call by a function of its groups."""

    kind = "pointwise"

    def __init__(self, answer):
        self.answer, self.calls = answer, []

    def rank(self, groups):
        self.calls.append(len(groups))
        return self.answer(groups)


def raises(error):
    def answer(groups):
        raise error

    return answer


def good(groups):
    return [Ranking(tuple(float(i) for i, _ in enumerate(group.images)), "pointwise") for group in groups]


BAD_ANSWERS = {
    "no list": lambda groups: None,
    "no rankings": lambda groups: [3 for _ in groups],
    "a ranking too few": lambda groups: [],
    "a score too few": lambda groups: [Ranking((1.0,)) for _ in groups],
    "an error": raises(ValueError("out of ideas")),
    "an exit": raises(SystemExit(7)),
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_ranker_that_fails_alone_abstains_with_its_reason(answer):
    rankings = rank_groups(Says(answer), [group(1, 2), group(3, 4)], "bad")
    assert [len(ranking.scores) for ranking in rankings] == [2, 2]
    assert all(score != score for ranking in rankings for score in ranking.scores)
    assert all(details["error"] for ranking in rankings for details in ranking.details)
    assert {ranking.kind for ranking in rankings} == {"pointwise"}


def test_the_code_of_an_exit_is_part_of_the_reason():
    (ranking,) = rank_groups(Says(raises(SystemExit(7))), [group(1)], "bad")
    assert "SystemExit: 7" in ranking.details[0]["error"]


def test_a_failing_group_costs_no_other_group():
    def answer(groups):
        if any(one.id == "bad" for one in groups):
            raise ValueError("this one")
        return good(groups)

    ranker = Says(answer)
    rankings = rank_groups(ranker, [group(1, 2), group(3, id="bad"), group(4, 5)], "picky")
    assert [ranking.scores for ranking in rankings][::2] == [(0.0, 1.0), (0.0, 1.0)]
    assert "this one" in rankings[1].details[0]["error"]
    assert ranker.calls == [3, 1, 1, 1]


def test_a_ranker_that_stops_the_run_is_not_turned_into_abstentions():
    with pytest.raises(RunStopped):
        rank_groups(Says(raises(RunStopped("the budget is spent"))), [group(1)], "judge")


def test_a_lazy_ranker_is_built_once_with_the_first_groups():
    built = []
    lazy = LazyRanker("lazy", lambda: built.append(1) or Says(good))
    assert lazy.rank([]) == [] or built
    lazy.rank([group(1)])
    lazy.rank([group(1)])
    assert built == [1]


# --- what is asked for ---


@pytest.mark.parametrize(
    "name", ["metadata", "image", "prompts", "first", "groups", "id", "names", "local_only"]
)
def test_an_option_may_not_bear_the_name_of_an_input(name):
    namespace = {}
    exec(
        f"def f(image, *, {name}=0): return 0" if name != "image" else "def f(images, *, image=0): return 0",
        namespace,
    )
    with pytest.raises(BadOption, match=name):
        build(namespace["f"])
    assert name in RESERVED_OPTIONS


def test_a_class_may_not_have_an_option_with_a_reserved_name():
    class Ranks(Pointwise):
        def __init__(self, *, metadata="x"):
            pass

        def score(self, image):
            return 0

    with pytest.raises(BadOption, match="metadata"):
        build(Ranks)


async def later(image):
    return 0.0


class Later(Pointwise):
    async def score(self, images):
        return [0.0 for _ in images]


class LaterJudge(Pairwise):
    async def compare(self, first, second):
        return 0.5


class LaterRanker:
    async def rank(self, groups):
        return []


@pytest.mark.parametrize("target", [later, Later, LaterJudge, LaterRanker])
def test_an_async_function_is_refused_by_name(target):
    with pytest.raises(BrokenRanker, match="async"):
        build(target)


def test_single_values_and_batches_are_not_mixed():
    with pytest.raises(BrokenRanker, match="image and prompts"):
        build(lambda image, prompts: 0)


def test_a_signature_is_read_once():
    call = bind(lambda images, metadata: [len(images)] * len(images), "pointwise")
    assert call.batched and call.names == {"image": "images", "metadata": "metadata"}
    assert call({"image": [1, 2], "prompt": ["", ""], "metadata": [{}, {}]}) == [2, 2]


@pytest.mark.parametrize("attribute, value", [("kind", "point-wise"), ("needs_prompt", "yes")])
def test_an_attribute_of_a_wrong_type_is_named(attribute, value):
    target = type("Odd", (Pointwise,), {attribute: value, "score": lambda self, image: 0})
    with pytest.raises(BrokenRanker, match=f"{attribute} = '{value}'"):
        build(target)


# --- how a ranker is shown ---


def test_every_ranker_says_what_it_is():
    def brightness(image, *, target=0):
        return 0

    assert repr(build(brightness, target=3)) == "<ranker brightness, target=3, pointwise>"
    assert repr(build(lambda first, second: 0.5)) == "<ranker <lambda>, pairwise>"
    two = mean_rank({"a": build(brightness), "b": build(brightness)}, {"a": 2, "b": 1})
    assert repr(two) == "<mean rank of a*2 + b>"
