"""The pure scorer against what the official code and the reward server say of the same detections."""

import gzip
import itertools
import json
import math
from pathlib import Path

import pytest

from rankkit_geneval import BadClause, Detection, judge
from rankkit_geneval.verdicts.geometry import iou, relations

CASES = Path(__file__).parent / "data" / "geneval_cases.jsonl.gz"
HERE = (100, 100, 200, 200)


def det(score, color=None, box=HERE):
    return Detection(box, score, color)


def thing(name, count=1, **more):
    return {"class": name, "count": count, **more}


def task(tag, *include, exclude=()):
    return {"tag": tag, "include": list(include), "exclude": list(exclude)}


S = task("single_object", thing("dog"))
T = task("two_object", thing("dog"), thing("cat"))
R = task("colors", thing("car", color="red"))
A = task("color_attr", thing("car", color="red"), thing("dog", color="blue"))
NONE = task("single_object")
CLOCKS = {n: task("counting", thing("clock", n), exclude=[thing("clock", n + 1)]) for n in (2, 3, 4)}


def P(*wanted):
    return task("position", thing("cat"), *(thing("dog", position=[relation, 0]) for relation in wanted))


def clocks(*scores):
    return {"clock": [det(score) for score in scores]}


def dogs(*boxes, scores=(0.95, 0.9), cat=True):
    return {
        "dog": [det(score, box=box) for score, box in zip(scores, boxes, strict=False)],
        **({"cat": [det(0.9)]} if cat else {}),
    }


CAR_DOG = {"car": [det(0.9, "red")], "dog": [det(0.9, "blue")]}
CORNER = (-300, -300, -200, -200)
LEFT_BOX = (0, 100, 50, 200)
TABLE = {  # case: metadata, detections, official correct, strict and score of the reward server
    "01": (S, {"dog": [det(0.31)]}, True, True, 1),
    "02": (S, {"dog": [det(0.30)]}, False, False, 0),
    "03": (S, {}, False, False, 0),
    "04": (S, {"dog": [det(0.9), det(0.8), det(0.7)]}, True, False, -1),
    "05": (T, {"dog": [det(0.9)], "cat": [det(0.5)]}, True, True, 1),
    "06": (T, {"dog": [det(0.9)]}, False, False, 0.5),
    "07": (T, {"cup": [det(0.9)]}, False, False, 0),
    "08": (CLOCKS[3], clocks(0.95, 0.95, 0.95), True, True, 1),
    "09": (CLOCKS[3], clocks(0.95, 0.95, 0.95, 0.90), True, True, 1),
    "10": (CLOCKS[3], clocks(0.95, 0.95, 0.95, 0.91), False, False, 2 / 3),
    "11": (CLOCKS[3], clocks(0.95, 0.95, 0.85), False, False, 2 / 3),
    "12": (CLOCKS[2], clocks(*[0.95] * 5), False, False, -0.5),
    "13": (CLOCKS[2], {}, False, False, 0),
    "14": (CLOCKS[4], clocks(*[0.95] * 20), False, False, -2),
    "15": (R, {"car": [det(0.9, "red")]}, True, True, 1),
    "16": (R, {"car": [det(0.9, "blue")]}, False, False, 0.5),
    "17": (R, {"car": [det(0.9, "blue"), det(0.8, "red")]}, False, False, 0),
    "18": (R, {"car": [det(0.9, "red"), det(0.8, "blue")]}, True, False, 0),
    "19": (A, CAR_DOG, True, True, 1),
    "20": (A, {"car": [det(0.9, "blue")], "dog": [det(0.9, "red")]}, False, False, 0.5),
    "21": (A, {"car": [det(0.9, "red")], "dog": [det(0.9, "red")]}, False, False, 0.75),
    "22": (A, {"car": [det(0.9, "red")]}, False, False, 0.5),
    "23": (P("left of"), dogs(LEFT_BOX), True, True, 1),
    "24": (P("right of"), dogs(LEFT_BOX), False, False, 0.75),
    "25": (P("left of"), dogs(HERE), False, False, 0.75),
    "26": (P("left of"), dogs((80, 100, 180, 200)), False, False, 0.75),
    "27": (P("left of"), dogs((60, 100, 160, 200)), False, False, 0.75),
    "28": (P("left of"), dogs((59, 100, 159, 200)), True, True, 1),
    "29": (P("left of"), dogs(CORNER), True, True, 1),
    "30": (P("above"), dogs(CORNER), True, True, 1),
    "31": (P("above"), dogs((140, 100, 160, 120)), True, True, 1),
    "32": (P("below"), dogs((100, 300, 200, 400)), True, True, 1),
    "33": (P("above"), dogs((100, -300, 200, -200)), True, True, 1),
    "34": (P("left of"), dogs(LEFT_BOX, cat=False), False, False, 1 / 3),
    "35": (P("left of"), {"cat": [det(0.9)]}, False, False, 1 / 3),
    "36": (P("left of"), dogs((300, 100, 350, 200), LEFT_BOX), False, False, 1 / 3),
    "37": (
        P("left of"),
        {"cat": [det(0.9), det(0.8, box=(-500, 100, -400, 200))], "dog": [det(0.9, box=LEFT_BOX)]},
        True,
        False,
        1 / 3,
    ),
    "38": (T, {"dog": [det(0.45)], "cat": [det(0.40)]}, True, True, 1),
    "39": (CLOCKS[2], clocks(0.97, 0.93), True, True, 1),
    "40": (S, {"dog": [det(0.9)], "person": [det(0.9)] * 5}, True, True, 1),
    "41": (NONE, {"dog": [det(0.9)]}, True, True, 0),
    "42": (P("left of", "above"), dogs((32, 32, 132, 132)), False, False, None),
    "43": (P("left of", "above"), dogs((31, 31, 131, 131)), True, True, 1),
}


@pytest.mark.parametrize("case", TABLE)
def test_the_verdict_is_the_official_one_and_the_reward_servers(case):
    metadata, detections, correct, strict, score = TABLE[case]
    verdict = judge(metadata, detections)
    assert (verdict.correct, verdict.strict) == (correct, strict)
    assert score is None or verdict.flow_grpo == pytest.approx(score, abs=1e-12)


@pytest.mark.parametrize(
    ("angle", "held"), [(30, {"right of"}), (31, {"right of", "above"}), (60, {"above"})]
)
def test_far_apart_a_relation_holds_within_sixty_degrees_of_its_axis(angle, held):
    x, y = 1e6 * math.cos(math.radians(angle)), -1e6 * math.sin(math.radians(angle))
    assert relations((x - 5, y - 5, x + 5, y + 5), (-5, -5, 5, 5)) == held


def test_two_boxes_on_one_thing_are_two_things_unless_overlaps_are_removed():
    verdict = judge(CLOCKS[2], clocks(0.97, 0.93), nms_threshold=0.5)
    assert (verdict.correct, verdict.strict, verdict.flow_grpo) == (False, False, 0.5)


def test_every_synthetic_scene_gets_its_official_verdict():
    rows = [json.loads(line) for line in gzip.open(CASES, "rt")]
    wrong = []
    for number, row in enumerate(rows):
        detections = {
            name: [Detection(tuple(d["box"]), d["score"], d["color"]) for d in found]
            for name, found in row["detections"].items()
        }
        if judge(row["metadata"], detections).correct != row["correct"]:
            wrong.append(number)
    assert (len(rows), wrong) == (300, [])


def test_the_graded_score_counts_each_check_by_how_far_it_is_met():
    assert judge(T, {"dog": [det(0.9)]}).graded == 0.5
    assert judge(CLOCKS[4], clocks(0.95, 0.95, 0.95)).graded == 0.75
    assert judge(CLOCKS[2], clocks(*[0.95] * 3)).graded == 0.5
    assert judge(CLOCKS[2], clocks(*[0.95] * 9)).graded == 0
    assert judge(A, {"car": [det(0.9, "red")], "dog": [det(0.9, "red")]}).graded == 0.75
    assert judge(P("right of"), dogs(LEFT_BOX)).graded == pytest.approx(2 / 3)
    assert judge(P("left of"), dogs(LEFT_BOX, cat=False)).graded == pytest.approx(1 / 3)
    assert judge(S, {"dog": [det(0.9)] * 3}).graded == 1
    assert judge(NONE, {}).graded == 1


def test_the_graded_score_of_a_colour_asked_of_two_things_is_a_share_and_of_too_few_nothing():
    two = task("colors", thing("car", 2, color="red"))
    assert judge(two, {"car": [det(0.9, "red"), det(0.8, "blue"), det(0.7, "red")]}).graded == 0.75
    assert judge(two, {"car": [det(0.9, "red")]}).graded == 0.25


def test_an_excluded_thing_that_is_not_counted_is_a_check_of_its_own():
    no_cat = task("single_object", thing("dog"), exclude=[thing("cat")])
    assert judge(no_cat, {"dog": [det(0.9)]}).graded == 1
    verdict = judge(no_cat, {"dog": [det(0.9)], "cat": [det(0.9)]})
    assert (verdict.correct, verdict.graded, verdict.reason) == (
        False,
        0.5,
        "wanted fewer than 1 cat, found 1",
    )


def test_a_position_fails_with_the_colour_of_its_subject_and_with_that_of_its_target():
    both = task("position", thing("cat", color="red"), thing("dog", color="blue", position=["left of", 0]))
    cat, dog = det(0.9, "red"), Detection(LEFT_BOX, 0.9, "blue")
    assert judge(both, {"cat": [cat], "dog": [dog]}).correct
    pale = judge(both, {"cat": [det(0.9, "pink")], "dog": [dog]})
    assert not pale.correct and pale.reason.endswith(
        "wanted 1 dog left of a cat, which is missing or wrong itself"
    )
    assert not judge(both, {"cat": [cat], "dog": [Detection(LEFT_BOX, 0.9, "red")]}).correct


def test_a_colour_is_named_only_where_a_clause_asks_and_enough_things_are_there():
    asked = []

    def name_color(name, detection):
        asked.append((name, detection.score))
        return "red"

    assert judge(R, {"car": [det(0.8), det(0.9)]}, name_color=name_color).correct
    assert asked == [("car", 0.9)]
    asked.clear()
    judge(task("colors", thing("car", 2, color="red")), {"car": [det(0.9)]}, name_color=name_color)
    judge(S, {"dog": [det(0.9)]}, name_color=name_color)
    assert asked == []


def test_a_colour_that_nobody_can_name_is_an_error_and_not_a_wrong_colour():
    with pytest.raises(BadClause, match="name_color"):
        judge(R, {"car": [det(0.9)]})


def test_a_class_is_matched_whole_never_by_part_of_its_name():
    assert not judge(S, {"hot dog": [det(0.99)]}).correct


def test_the_renamed_classes_are_the_official_names():
    metadata = task("single_object", thing("computer mouse"))
    assert judge(metadata, {"computer mouse": [det(0.9)]}).correct
    assert not judge(metadata, {"mouse": [det(0.9)]}).correct


def test_a_score_that_is_three_tenths_in_single_precision_is_not_above_three_tenths():
    import numpy as np

    assert not judge(S, {"dog": [det(float(np.float32(0.3)))]}).correct
    assert judge(S, {"dog": [det(float(np.nextafter(np.float32(0.3), np.float32(1))))]}).correct


def test_at_most_sixteen_are_counted_before_overlaps_are_removed():
    row = [Detection((200 * i, 0, 200 * i + 100, 100), 0.99 - i / 1000) for i in range(15)]
    stacked = [row[0], *row, Detection((9000, 0, 9100, 100), 0.95)]
    many = task("counting", thing("clock", 16))
    assert judge(many, {"clock": stacked}).correct
    assert not judge(many, {"clock": stacked}, nms_threshold=0.5).correct


def test_overlap_is_measured_with_one_more_pixel_each_way():
    assert iou((0, 0, 9, 9), (0, 0, 9, 9)) == 1
    assert iou((0, 0, 9, 9), (9, 9, 18, 18)) == pytest.approx(1 / 199)
    assert iou((0, 0, 9, 9), (20, 20, 29, 29)) == 0


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"prompt": "a dog"}, "metadata has no include clauses, only 'prompt'"),
        ({"include": "dog"}, "include is 'dog', not a list"),
        ({"include": ["dog"]}, r"include\[0\] is 'dog', not an object with a \"class\""),
        (
            {"include": [{"class": "dog"}]},
            r"include\[0\] asks for None of dog; a count is a whole number from 1",
        ),
        ({"include": [thing("dog", 0)]}, "asks for 0 of dog"),
        (
            {"include": [thing("dog", color="grey")]},
            "the color 'grey', which is never named; did you mean green",
        ),
        (
            {"include": [thing("dog"), thing("cat", position=["leftof", 0])]},
            "the relation 'leftof', .*; did you mean left of",
        ),
        (
            {"include": [thing("dog"), thing("cat", position="left")]},
            "a position is .relation, index of an earlier clause.",
        ),
        (
            {"include": [thing("cat", position=["left of", 0])]},
            r"left of include\[0\]; only an earlier clause",
        ),
        ({"include": None}, "include is None, which asks for nothing"),
        ({"include": [thing("dog")], "excludes": [thing("cat")]}, "'excludes', .*did you mean exclude"),
        ({"include": [{**thing("dog"), "colour": "red"}]}, "'colour', .*did you mean color"),
        ({"include": [{**thing("dog"), "Color": "red"}]}, "'Color', .*did you mean color"),
        ({"include": [{**thing("dog"), "texture": "wooden"}]}, "'texture', which GenEval does not read"),
        ({"include": [], "exclude": [thing("dog", color="red")]}, r"exclude\[0\] has a color"),
        ({"include": [thing("dog")], "tag": "Counting"}, "'Counting', .*did you mean counting"),
        ({"include": [thing("dog")], "tag": ["counting"]}, "no task of GenEval"),
        ({"include": "[1"}, "which is no JSON"),
        ({"include": [thing("dog", "two")]}, "asks for 'two' of dog"),
    ],
)
def test_metadata_that_is_not_genevals_is_refused_by_name(metadata, message):
    with pytest.raises(BadClause, match=message):
        judge(metadata, {})


@pytest.mark.parametrize("count", [2, 2.0, "2", " 2"])
def test_a_number_may_be_written_as_tables_write_it(count):
    two = [Detection((0, 0, 9, 9), 0.95), Detection((20, 0, 29, 9), 0.95)]
    metadata = {"include": [thing("dog", count), thing("cat", position=["right of", type(count)(0)])]}
    verdict = judge(metadata, {"dog": two, "cat": [Detection((90, 0, 99, 9), 0.95)]})
    assert verdict.correct and not judge(metadata, {"dog": two[:1]}).correct
    assert judge({"include": json.dumps([thing("dog", 2)])}, {"dog": two}).correct


def test_what_says_nothing_of_a_demand_may_stand_beside_it():
    found = {"dog": [Detection((0, 0, 9, 9), 0.95)]}
    metadata = {"include": [{**thing("dog"), "note": "x"}], "size": 512, "tags": ["a"], "tag": "spelling"}
    assert judge(metadata, found).correct


def test_the_scorer_works_without_torch():
    import subprocess
    import sys

    code = (
        "import sys; sys.modules['torch'] = None; from rankkit_geneval import judge, Detection; "
        "print(judge({'include': []}, {}).correct)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "True\n"


def test_all_cases_of_the_table_are_here():
    assert list(TABLE) == [f"{i:02}" for i in itertools.chain(range(1, 44))]
