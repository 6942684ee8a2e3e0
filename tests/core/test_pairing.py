"""What becomes of a group whose comparisons failed in part: ranked where that can be honest, else abstained
on.
"""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rankkit import Group, Pairwise
from rankkit.core import aggregate

VALUES = tuple(range(20, 240, 20))  # eleven images: more than are all compared with each other


def group(values=VALUES):
    return Group("a cat", tuple(Image.new("RGB", (2, 2), (value, value, value)) for value in values))


def level(image):
    return image.getpixel((0, 0))[0]


class Ring(Pairwise):
    """Prefers bright images, shows each to two others, in a ring; calls about the pairs in `broken` fail."""

    degree = 2

    def __init__(self, *broken):
        self.broken, self.asked = set(map(frozenset, broken)), []

    def compare(self, first, second):
        pair = level(first), level(second)
        self.asked.append(pair)
        if frozenset(pair) in self.broken:
            raise TimeoutError("the judge did not answer")
        return aggregate.sigmoid((pair[0] - pair[1]) / 100 + 0.4)


def ring():
    """The levels in the order in which the ring joins them."""
    judge = Ring()
    judge.rank([group()])
    met = {value: [b for a, b in judge.asked if a == value] for value in VALUES}
    order = [VALUES[0], met[VALUES[0]][0]]
    while len(order) < len(VALUES):
        order.append(next(value for value in met[order[-1]] if value != order[-2]))
    return order


ORDER = ring()


def cut(*places):
    """The pairs of the ring that begin at these places."""
    return [(ORDER[i], ORDER[(i + 1) % len(ORDER)]) for i in places]


def test_a_group_that_failures_have_cut_in_two_is_joined_by_one_new_pair_and_ranked():
    judge = Ring(*cut(0, 4))
    (ranking,) = judge.rank([group()])
    bridge = judge.asked[2 * len(VALUES) :]
    assert (
        len(bridge) == 2 and bridge[0] == bridge[1][::-1] and bridge[0] not in judge.asked[: 2 * len(VALUES)]
    )
    one_side = set(ORDER[1:5])
    assert len(one_side & set(bridge[0])) == 1
    assert ranking.ranks == tuple(range(11, 0, -1))
    assert (
        ranking.details[0]["judge"]["connected"]
        and ranking.details[0]["judge"]["calls"] == 2 * len(VALUES) + 2
    )


def test_no_pair_is_asked_twice_and_no_bridge_is_built_where_none_is_needed():
    judge = Ring(*cut(3))
    judge.rank([group()])
    assert len(judge.asked) == len(set(judge.asked)) == 2 * len(VALUES)


def test_an_image_that_nobody_judged_is_left_alone():
    judge = Ring(*cut(0, 1))
    (ranking,) = judge.rank([group()])
    alone = VALUES.index(ORDER[1])
    assert len(judge.asked) == 2 * len(VALUES)
    assert [math.isnan(score) for score in ranking.scores] == [place == alone for place in range(len(VALUES))]
    assert "did not answer" in ranking.details[alone]["error"]


def test_what_cannot_be_joined_abstains_and_the_largest_part_is_ranked_as_if_it_were_alone():
    """All that join 20 and 40 to the others fails, the bridge as well; they have met each other only."""
    small, rest = (20, 40), VALUES[2:8]
    judge = Ring(*((a, b) for a in small for b in rest))
    (ranking,) = judge.rank([group((*small, *rest))])
    assert [math.isnan(score) for score in ranking.scores] == [True] * 2 + [False] * 6
    assert (
        "never met the rest" in ranking.details[0]["error"] and not ranking.details[0]["judge"]["connected"]
    )
    (alone,) = Ring().rank([group(rest)])
    assert ranking.scores[2:] == pytest.approx(alone.scores, abs=1e-8)


def test_where_no_part_is_the_largest_all_abstain():
    judge = Ring(*((a, b) for a in (20, 40) for b in (60, 80)))
    (ranking,) = judge.rank([group((20, 40, 60, 80))])
    assert all(map(math.isnan, ranking.scores)) and all(
        "never met" in each["error"] for each in ranking.details
    )


def test_the_kinds_of_failure_are_told_of_the_images_they_befell():
    (ranking,) = Ring((20, 40), (20, 60), (20, 80)).rank([group((20, 40, 60, 80))])
    assert [each.get("failed_calls") for each in ranking.details] == [
        {"failed": 6},
        {"failed": 2},
        {"failed": 2},
        {"failed": 2},
    ]


@settings(deadline=None, max_examples=60)
@given(st.sets(st.sampled_from([(a, b) for a in VALUES for b in VALUES if a < b])), st.permutations(VALUES))
def test_which_calls_fail_decides_who_abstains_and_the_order_of_the_group_does_not(broken, order):
    (straight,) = Ring(*broken).rank([group()])
    (mixed,) = Ring(*broken).rank([group(order)])
    ranked = [not math.isnan(score) for score in straight.scores]
    assert [not math.isnan(mixed.scores[order.index(value)]) for value in VALUES] == ranked
    assert sum(ranked) != 1
    assert all(bool(each.get("error")) != fine for each, fine in zip(straight.details, ranked, strict=True))
