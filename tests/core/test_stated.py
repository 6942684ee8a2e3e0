"""What the framework reads off a ranker: a value of the stated type, or an error that names it."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from rankkit import Group, Pairwise, Pointwise, build
from rankkit.core.calling import LazyRanker, rank_groups
from rankkit.core.stated import degree_of, kind_of, needs_prompt, prior_of, version_of
from rankkit.errors import BrokenRanker
from rankkit.registry.load import load, prepare

WRONG = [
    ("kind", "odd"), ("kind", None), ("kind", ["pointwise"]),
    ("needs_prompt", "yes"), ("needs_prompt", 1),
    ("metadata_images", "source"), ("metadata_images", [1]),
    ("version", 3.5), ("version", b"1"),
    ("degree", "x"), ("degree", 8.0), ("degree", True), ("degree", 7), ("degree", 0), ("degree", -2),
    ("prior", "x"), ("prior", -1), ("prior", 0), ("prior", float("nan")), ("prior", float("inf")),
    ("prior", None),
]  # fmt: skip


def judge(**attributes):
    return type("Odd", (Pairwise,), {"compare": lambda self, first, second: 0.5, **attributes})


def named(attribute, value):
    return rf"Odd has {attribute} = {value!r}; it is ".replace("[", r"\[").replace("]", r"\]")


@pytest.mark.parametrize("attribute, value", WRONG)
def test_an_attribute_of_a_wrong_type_or_value_is_named_before_the_ranker_is_built(attribute, value):
    with pytest.raises(BrokenRanker, match=named(attribute, value)):
        build(judge(**{attribute: value}))


@pytest.mark.parametrize("attribute, value", WRONG)
def test_so_is_one_that_is_set_while_it_is_built(attribute, value):
    def __init__(self):
        setattr(self, attribute, value)

    with pytest.raises(BrokenRanker, match=named(attribute, value)):
        build(judge(__init__=__init__))


@pytest.mark.parametrize("attribute, value", [("degree", "x"), ("prior", -1)])
def test_a_judge_that_was_built_by_hand_says_so_when_it_ranks(attribute, value):
    images = tuple(Image.new("RGB", (2, 2), (i, i, i)) for i in range(3))
    with pytest.raises(BrokenRanker, match=named(attribute, value)):
        judge(**{attribute: value})().rank([Group("", images)])


class Odd(Pairwise):
    degree = "x"

    def compare(self, first, second):
        return 0.5


class Numbered(Pointwise):
    @classmethod
    def version(cls, **options):
        return 3.5

    def score(self, image):
        return 0.0


class Quits(Numbered):
    @classmethod
    def version(cls, **options):
        raise SystemExit(7)


@pytest.mark.parametrize("door", [load, prepare])
def test_loading_names_the_attribute_and_not_an_image(door):
    with pytest.raises(BrokenRanker, match=named("degree", "x")):
        door(f"{__name__}:Odd")


def test_a_version_method_returns_a_string():
    with pytest.raises(BrokenRanker, match=r"Numbered\.version\(\) returned 3\.5; it returns a string"):
        prepare(f"{__name__}:Numbered")
    with pytest.raises(BrokenRanker, match="Quits cannot tell its version: .*SystemExit: 7"):
        prepare(f"{__name__}:Quits")


def test_what_is_not_stated_has_its_default():
    plain = judge()
    assert (kind_of(plain), needs_prompt(plain), version_of(plain, {})) == ("pairwise", False, None)
    assert (degree_of(plain), prior_of(plain)) == (8, 0.1)
    assert version_of(judge(version=None), {}) is None and not needs_prompt(judge(needs_prompt=None))


def test_a_property_counts_once_the_ranker_is_built():
    ranker = judge(kind=property(lambda self: "pointwise"), degree=property(lambda self: 4))
    assert (kind_of(ranker), kind_of(ranker()), degree_of(ranker), degree_of(ranker())) == (
        "listwise", "pointwise", 8, 4,
    )  # fmt: skip


def test_numbers_of_any_type_will_do():
    fine = build(judge(degree=np.int64(4), prior=np.float32(0.5)))
    assert (degree_of(fine), prior_of(fine)) == (4, 0.5)
    assert prior_of(judge(prior=Fraction(1, 4))) == 0.25 and prior_of(judge(prior=1)) == 1


def test_where_a_ranker_fails_its_abstentions_are_of_its_kind():
    class Fails:
        kind = "pointwise"

        def rank(self, groups):
            raise ValueError("no")

    (ranking,) = rank_groups(LazyRanker("fails", Fails), [Group("", (Image.new("RGB", (2, 2)),))], "fails")
    assert ranking.kind == "pointwise"
