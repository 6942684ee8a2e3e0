"""6,000 human answers about 1,200 images, as detections: the scorer must say what follows from the answers.

The answers are those of github djghosh13/geneval (MIT licence), annotations/*.csv, without worker ids, free
text and links.
"""

import csv
import gzip
from collections import defaultdict
from pathlib import Path

from rankkit_geneval import Detection, judge
from rankkit_geneval.prompts import evaluation_metadata
from rankkit_geneval.vocabulary import TASKS

STEP = {"left": (-300, 0), "right": (300, 0), "above": (0, -300), "below": (0, 300)}
AXIS = {"left of": "left", "right of": "right", "above": "above", "below": "below"}
MAJORITY = {  # images that at least three of five people's answers make correct
    "clip": "51/52 17/72 31/68 56/76 6/80 0/52",
    "sdv2": "52/52 44/72 37/68 67/76 12/80 15/52",
    "if-xl": "52/52 61/72 52/68 65/76 24/80 33/52",
}


def answers():
    prompts = evaluation_metadata()
    with gzip.open(Path(__file__).parent / "data" / "geneval_humans.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            yield row, prompts[int(row["prompt"])]


def detections(row, metadata):
    found = {}
    for k, clause in enumerate(metadata["include"]):
        dx, dy = (sum(STEP.get(row[axis], (0, 0))[i] for axis in "xy") * k for i in (0, 1))
        color = clause.get("color") if clause.get("color") in row[f"color_{k}"].split("|") else "gray"
        box = (100 + dx, 100 + dy, 200 + dx, 200 + dy)
        found[clause["class"]] = [
            Detection(box, 0.99 - 0.001 * i, color) for i in range(int(row[f"count_{k}"]))
        ]
    return found


def follows(row, metadata):
    """The verdict that the answers themselves give."""
    fine = []
    for k, clause in enumerate(metadata["include"]):
        good = int(row[f"count_{k}"]) >= clause["count"]
        good &= "color" not in clause or clause["color"] in row[f"color_{k}"].split("|")
        good &= "position" not in clause or (fine[0] and AXIS[clause["position"][0]] in (row["x"], row["y"]))
        fine.append(good)
    return all(fine) and all(int(row["count_0"]) < clause["count"] for clause in metadata.get("exclude", []))


def test_every_human_answer_gets_the_verdict_that_follows_from_it():
    seen = [
        (judge(metadata, detections(row, metadata)).correct, follows(row, metadata))
        for row, metadata in answers()
    ]
    assert len(seen) == 6000
    assert sum(ours != theirs for ours, theirs in seen) == 0
    assert 0.4 < sum(ours for ours, _ in seen) / 6000 < 0.7


def test_majorities_of_five_are_the_published_counts():
    votes = defaultdict(list)
    for row, metadata in answers():
        votes[row["model"], metadata["tag"], row["prompt"], row["image"]].append(
            judge(metadata, detections(row, metadata)).correct
        )
    for model, expected in MAJORITY.items():
        counts = []
        for task in TASKS:
            images = [
                sum(found) >= 3 for (who, tag, *_), found in votes.items() if (who, tag) == (model, task)
            ]
            counts.append(f"{sum(images)}/{len(images)}")
        assert " ".join(counts) == expected
