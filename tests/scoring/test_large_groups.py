"""Groups that are too large to be held decoded: a ranker that compares two images never needs them all."""

import sys
import weakref
from pathlib import Path

import pytest
from score_runs import by_name, folder, rows, save_image, score

import rankkit
from rankkit.core import aggregate, prefetch
from rankkit.scoring import chunks

IMAGE = 24 * 16  # pixels
LIVE = []
MOST = []


@rankkit.pairwise
def brighter(firsts, seconds):
    """Which first pixel is brighter; it also sees how many images there are at once."""
    LIVE[:] = [each for each in LIVE if each() is not None] + [
        weakref.ref(one) for one in (*firsts, *seconds)
    ]
    MOST.append(len({id(each()) for each in LIVE}))
    return [
        0.5 + (a.getpixel((0, 0))[0] - b.getpixel((0, 0))[0]) / 600
        for a, b in zip(firsts, seconds, strict=True)
    ]


class Alone:
    """A ranker that says it is pairwise and wants the whole group."""

    kind = "pairwise"

    def rank(self, groups):
        values = [tuple(float(image.getpixel((0, 0))[0]) for image in group.images) for group in groups]
        return [rankkit.Ranking(each, "pairwise") for each in values]


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "large", sys.modules[__name__])
    folder(tmp_path / "in", map(str, range(60)))
    save_image(tmp_path / "in" / "again.png", 7)  # the same as 7.png
    return tmp_path


def bounded(monkeypatch, images):
    for module in (chunks, prefetch):
        monkeypatch.setattr(module, "PIXELS", images * IMAGE)


@pytest.mark.parametrize("name", ["brighter", "Alone"])
def test_a_group_that_does_not_fit_into_memory_is_ranked_as_one_that_does(place, monkeypatch, name):
    score("in", f"large:{name}", "whole.jsonl", prompt="a cat")
    bounded(monkeypatch, 6)
    score("in", f"large:{name}", "streamed.jsonl", prompt="a cat")
    assert rows("streamed.jsonl") == rows("whole.jsonl")


def test_of_a_large_group_few_images_are_decoded_at_once_where_they_are_compared_in_pairs(place, monkeypatch):
    bounded(monkeypatch, 6)
    MOST.clear()
    score("in", "large:brighter", "out.jsonl", prompt="a cat")
    # those held, those of this call, and those of the call before that nothing has collected yet
    assert len(MOST) > 10 and max(MOST) <= 6 + 2 * 8


def test_an_image_that_changes_while_its_group_is_ranked_abstains_alone(place, monkeypatch):
    bounded(monkeypatch, 6)
    victim, decoded = Path("in/59.png"), chunks.let_go

    def then_changed(candidate):
        found = decoded(candidate)
        if candidate.work.item.name.endswith("/59.png"):
            save_image(victim, 999)
        return found

    monkeypatch.setattr(chunks, "let_go", then_changed)
    outcome = score("in", "large:brighter", "out.jsonl", prompt="a cat")
    found = by_name(rows("out.jsonl"))
    assert outcome.abstained == 1 and "changed while" in found["59.png"]["error"]
    assert found["58.png"]["of"] == 60


def test_triads_are_counted_alike_in_sparse_and_full_comparisons():
    full = {(i, j): 0.9 if (j - i) % 2 else 0.2 for i in range(9) for j in range(i + 1, 9)}
    found = aggregate.triads(9, full)
    assert found["triads"] == 84 and 0 < found["circular_triads"] <= 30 and found["zeta"] is not None
    sparse = dict.fromkeys(aggregate.circulant(500, degree=4), 0.5)
    assert aggregate.triads(500, sparse)["circular_triads"] == 0
