"""Rankers of a whole group: a veto that no gain buys off, and what each image adds."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

import rankkit
from rankkit import Group, Ranking, UsageError, veto
from rankkit.core.listwise.variety import Diversity, NearDuplicates
from rankkit.testing import check_ranker

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
NAN = math.nan


class Says:
    """A ranker that says what it was told to; NaN with a reason."""

    def __init__(self, scores: list[float]) -> None:
        self.scores = scores

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        details = tuple({"error": "refused"} if math.isnan(score) else {} for score in self.scores)
        return [Ranking(tuple(self.scores), details=details)]


def groups(count: int) -> list[Group]:
    return [Group("", (Image.new("RGB", (1, 1)),) * count)]


def vetoed(gate: list[float], order: list[float], below: float = 0.5) -> Ranking:
    (ranking,) = veto(Says(order), by=Says(gate), below=below).rank(groups(len(gate)))
    return ranking


def noise(seed: int, size: int = 64) -> Image.Image:
    """Large blocks of random colours."""
    blocks = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(blocks).resize((size, size), Image.Resampling.BICUBIC)


def scores(ranker: Diversity | NearDuplicates, *images: Image.Image) -> tuple[float, ...]:
    (ranking,) = ranker.rank([Group("", images)])
    return ranking.scores


def test_an_image_that_fails_ranks_last_however_good_it_is() -> None:
    ranking = vetoed([1, 0, 1, 0], [1.0, 99.0, 2.0, 5.0])
    assert ranking.ranks == (2, 3.5, 1, 3.5)
    assert [found["vetoed"] for found in ranking.details] == [False, True, False, True]


def test_a_bound_decides_what_passes_and_the_order_is_the_rankers() -> None:
    assert vetoed([0.2, 0.3, 0.4], [3, 2, 1], below=0.3).ranks == (3, 1, 2)
    assert vetoed([5, 5, 5], [3, 1, 2]).ranks == (1, 3, 2)


def test_abstaining_is_passed_on_except_where_the_veto_decides() -> None:
    ranking = vetoed([NAN, 0, 1, 1], [1.0, NAN, NAN, 3.0])
    assert [math.isnan(rank) for rank in ranking.ranks] == [True, False, True, False]
    assert ranking.ranks[3] == 1 and ranking.ranks[1] == 2
    assert [found.get("error") for found in ranking.details] == ["refused", None, "refused", None]


def test_a_bound_that_is_no_number_is_refused() -> None:
    with pytest.raises(UsageError, match=r"below=nan is no finite number"):
        veto(Says([1]), by=Says([1]), below=NAN)


def test_a_copy_adds_nothing_to_what_is_near_and_little_to_the_whole() -> None:
    one, other, third = noise(1), noise(2), noise(3)
    assert scores(NearDuplicates(), one, one, other)[:2] == (0, 0)
    alike = scores(Diversity(), one, one.copy(), one.copy(), other)
    assert alike[0] == alike[1] == alike[2] < alike[3]
    assert min(scores(NearDuplicates(), one, other, third)) > 0.25


def test_a_brighter_smaller_copy_is_a_near_duplicate() -> None:
    one = noise(1, 128)
    changed = ImageEnhance.Brightness(one).enhance(0.8).resize((80, 80), Image.Resampling.BICUBIC)
    assert max(scores(NearDuplicates(), one, changed)) < 0.05


def test_black_against_white_is_the_greatest_distance() -> None:
    black, white = Image.new("RGB", (8, 8)), Image.new("RGB", (8, 8), "white")
    assert scores(Diversity(), black, white) == (1, 1)
    assert scores(Diversity(), black, black) == (0, 0)
    assert scores(Diversity(), black, black, white) == (0.5, 0.5, 1)


def test_an_image_alone_is_abstained_on_with_the_reason() -> None:
    for ranker in (Diversity(), NearDuplicates()):
        (ranking, empty) = ranker.rank([Group("", (noise(1),)), Group("", ())])
        assert math.isnan(ranking.scores[0]) and "no other image" in ranking.details[0]["error"]
        assert empty.scores == ()


def test_groups_beyond_one_matrix_are_compared_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [noise(seed) for seed in range(7)]
    for ranker in (Diversity(), NearDuplicates()):
        whole = scores(ranker, *images)
        monkeypatch.setattr("rankkit.core.listwise.variety.AT_ONCE", 3)
        assert scores(ranker, *images) == whole
        monkeypatch.undo()


def test_they_have_names_of_their_own() -> None:
    points = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["entry-points"]["rankkit.rankers"]
    for name, ranker in (("diversity", Diversity), ("near-duplicates", NearDuplicates)):
        assert points[name] == f"{ranker.__module__}:{ranker.__name__}"


@pytest.mark.parametrize("ranker", [Diversity, NearDuplicates])
def test_they_pass_every_check_of_rankers(ranker: type) -> None:
    check_ranker(rankkit.build(ranker))
