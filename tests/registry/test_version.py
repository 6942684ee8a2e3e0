"""What a ranker states of its own version: a string, or a class method of its options, asked before anything
is built.
"""

import pytest

import rankkit
from rankkit.errors import BrokenRanker
from rankkit.registry.load import prepare


class Learned(rankkit.Pointwise):
    def __init__(self, *, checkpoint="published"):
        raise AssertionError("the version is known without building")

    @classmethod
    def version(cls, *, checkpoint="published", **_):
        if checkpoint == "gone":
            raise BrokenRanker("gone is not there; give checkpoint=PATH")
        return f"weights:{checkpoint}"

    def score(self, images):
        return [0.0] * len(images)


class Stated(Learned):
    version = "7"


def test_the_version_follows_the_options_and_nothing_is_built():
    first, second = (
        prepare(f"{__name__}:Learned{options}").identity.version for options in ("", ":checkpoint=mine")
    )
    assert first.endswith("+weights:published") and second.endswith("+weights:mine")


def test_a_version_that_is_a_string_is_taken_as_it_stands():
    assert prepare(f"{__name__}:Stated").identity.version.endswith("+7")


def test_a_version_that_cannot_be_told_says_why():
    with pytest.raises(BrokenRanker, match="give checkpoint=PATH"):
        prepare(f"{__name__}:Learned", checkpoint="gone")
