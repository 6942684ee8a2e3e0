"""The ledger answers questions without changing: asked twice, or left half way, it says the same."""

from itertools import islice

from rankkit import Group, Ranking
from rankkit.core.types import Identity
from rankkit.io.prompts.base import Item
from rankkit.io.rows import rows
from rankkit.scoring.ledger import Ledger

JPEG, JUDGE = Identity("jpeg", "1"), Identity("judge", "1")


def scored(identity, group, names, *scores, kind="pointwise"):
    from PIL import Image

    images = (Image.new("RGB", (2, 2)),) * len(names)
    return rows(Group("a cat", images, group, names), Ranking(scores, kind), identity)


def filled():
    """Two planned images of a group, a third of an earlier run, and a group of another folder."""
    ledger = Ledger()
    items = [Item("p", name, "g", "a cat") for name in ("a", "b")]
    list(ledger.plan(items))
    for identity in (JPEG, JUDGE):
        ledger.load_previous(scored(identity, "g", ("a", "old"), 1.0, 5.0))
        ledger.load_previous(scored(identity, "elsewhere", ("x",), 2.0))
        for (key, _), row in zip(ledger.items(), scored(identity, "g", ("a", "b"), 3.0, 4.0), strict=True):
            ledger.put([(key, row)])
    return ledger


def told(ledger):
    ranked = [
        (row["ranker"], row["image"], row["rank"], row["of"], planned)
        for row, planned in ledger.ranked_rows([(JPEG, True), (JUDGE, False)])
    ]
    others = [(row["ranker"], row["group"], row["image"]) for row in ledger.untouched_rows([JPEG, JUDGE])]
    return ranked, others


def test_rows_are_the_same_when_asked_for_twice():
    with filled() as ledger:
        assert told(ledger) == told(ledger)


def test_rows_are_the_same_when_a_reader_stopped_half_way():
    with filled() as ledger:
        list(islice(ledger.ranked_rows([(JPEG, True), (JUDGE, False)]), 2))
        left = told(ledger)
    with filled() as ledger:
        assert told(ledger) == left


def test_images_scored_independently_keep_those_of_earlier_runs_and_others_do_not():
    with filled() as ledger:
        ranked, others = told(ledger)
    assert ranked == [
        ("jpeg", "a", 3.0, 3, True), ("jpeg", "b", 2.0, 3, True), ("jpeg", "old", 1.0, 3, False),
        ("judge", "a", 2.0, 2, True), ("judge", "b", 1.0, 2, True),
    ]  # fmt: skip
    assert others == [("jpeg", "elsewhere", "x"), ("judge", "elsewhere", "x")]
