"""The 553 prompts, to the byte."""

import hashlib
from collections import Counter

from rankkit_geneval import prompts
from rankkit_geneval.verdicts.clauses import parse
from rankkit_geneval.vocabulary import CLASSES, TASKS

ALL = prompts.evaluation_metadata()
RENAMED = {"computer mouse", "tv remote", "computer keyboard"}


def test_the_prompts_are_the_published_file_to_the_byte():
    text = "".join(prompts.lines())
    assert (
        hashlib.sha256(text.encode()).hexdigest()
        == prompts.SHA256
        == "5c48e0813e812e3c373fa5c8ed07a8f0a483be30272b4427b0559c8048e67c13"
    )


def test_the_tasks_have_their_published_sizes_and_order():
    assert [(task, sum(m["tag"] == task for m in ALL)) for task in TASKS] == [
        ("single_object", 80),
        ("two_object", 99),
        ("counting", 80),
        ("colors", 94),
        ("position", 100),
        ("color_attr", 100),
    ]
    assert [m["tag"] for m in ALL] == sorted((m["tag"] for m in ALL), key=TASKS.index)


def test_a_prompt_is_found_by_its_text_because_all_are_distinct():
    found = prompts.by_text()
    assert len(found) == len(ALL) == 553
    assert found["a photo of a bench"]["include"] == [{"class": "bench", "count": 1}]


def test_the_text_of_a_position_names_the_subject_first_and_its_clauses_the_target():
    assert prompts.by_text()["a photo of a dog right of a teddy bear"]["include"] == [
        {"class": "teddy bear", "count": 1},
        {"class": "dog", "count": 1, "position": ["right of", 0]},
    ]


def test_thirty_three_prompts_ask_for_a_class_that_coco_calls_otherwise():
    asks = Counter(m["tag"] for m in ALL if RENAMED & {clause["class"] for clause in m["include"]})
    assert asks == {
        "two_object": 9,
        "color_attr": 7,
        "position": 6,
        "colors": 5,
        "single_object": 3,
        "counting": 3,
    }
    assert [CLASSES[i] for i in (64, 65, 66)] == ["computer mouse", "tv remote", "computer keyboard"]


def test_quirks_of_the_published_texts_are_kept():
    texts = " | ".join(m["prompt"] for m in ALL)
    for quirk in ("toothbrushs", "sandwichs", "benchs", "buses", "a scissors", "a skis", "three persons"):
        assert quirk in texts


def test_every_prompt_asks_only_for_what_can_be_judged():
    for metadata in ALL:
        demands = parse(metadata, CLASSES)
        assert len(set(demands.names)) == len(demands.include)
        assert not any(clause.color for clause in demands.include if clause.name == "person")


def test_position_and_counting_are_spread_as_published():
    relations = Counter(clause["position"][0] for m in ALL for clause in m["include"] if "position" in clause)
    assert relations == {"below": 28, "right of": 27, "above": 26, "left of": 19}
    assert Counter(m["include"][0]["count"] for m in ALL if m["tag"] == "counting") == {2: 26, 3: 28, 4: 26}
