"""Labels are at once usable: as rows like a judge's, by `rankkit agree`, and by the trainer."""

import json
import math
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from labelled import prefer_later
from score_runs import ENVIRONMENT, folder

from rankkit.analysis.leaderboard import table as leaderboard
from rankkit.analysis.leaderboard_text import render
from rankkit.choose.label.answers import AnswerFile
from rankkit.choose.label.candidates import candidates
from rankkit.choose.label.rows import rows, write_rows
from rankkit.choose.label.session import Session
from rankkit.core import aggregate
from rankkit.errors import UsageError
from rankkit.io.formats import read_rows
from rankkit.io.prompts import survey
from rankkit.plugin import open_preferences
from rankkit.report.gallery import gallery


def run(place, *arguments):
    command = [sys.executable, "-m", "rankkit", *arguments]
    return subprocess.run(command, cwd=place, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)


@pytest.fixture
def pics(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "pics", "abcde", "a cat")
    return tmp_path


def found():
    return candidates(survey(["pics"]), "labels.jsonl")


def labelled(who, answers, *, four=False):
    """So many answers of a person who prefers later images."""
    with AnswerFile("labels.jsonl") as file:
        work = Session(found(), file, who, top=4, four=four, rng=random.Random(1))
        for _ in range(answers):
            prefer_later(work)


def test_rows_are_bradley_terry_utilities_of_each_person(pics):
    labelled("ada", 30)
    labelled("bob", 25, four=True)
    with AnswerFile("labels.jsonl") as file:
        made = list(rows(found(), file.answers))
        ada = [answer for answer in file.answers if answer.who == "ada"]
    assert [(row["ranker"], row["options"]["who"]) for row in made] == [("label", "ada")] * 5 + [
        ("label", "bob")
    ] * 5
    wins = np.zeros((5, 5))
    for answer in ada:
        i, j = ("abcde".index(name[5]) for name in (answer.image_a, answer.image_b))
        wins[(i, j) if answer.choice == "a" else (j, i)] += 1
    theta, stderr = aggregate.bradley_terry(wins)
    assert np.allclose([row["score"] for row in made[:5]], theta)
    assert np.allclose([row["stderr"] for row in made[:5]], stderr)
    assert made[9]["rank"] == 1 and all(row["of"] == 5 for row in made)
    assert made[0]["details"]["judge"]["calls"] == 30 and made[0]["details"]["judge"]["circular_triads"] == 0


def test_rows_join_those_of_rankers_and_commands_read_them(pics):
    labelled("ada", 20)
    assert run(pics, "score", "pics", "-r", "sharpness", "-o", "scores.jsonl").returncode == 0
    before = list(read_rows("scores.jsonl"))
    done = run(pics, "label", "pics", "--rows", "scores.jsonl")
    assert done.returncode == 0 and "5 rows of the answers in labels.jsonl" in done.stderr, done.stderr
    assert write_rows(found(), "labels.jsonl", "scores.jsonl") == 5, "rows of the same person are replaced"
    after = list(read_rows("scores.jsonl"))
    assert after[:5] == before and len(after) == 10
    for one, other in zip(before, after[5:], strict=True):
        assert [one[key] for key in ("group", "prompt", "image", "sha256")] == [
            other[key] for key in ("group", "prompt", "image", "sha256")
        ]
    done = run(pics, "select", "scores.jsonl", "-r", "label:who=ada", "--top", "1", "--list")
    assert done.stdout == "pics/e.png\n", done.stderr
    assert "label:who=ada" in render(leaderboard(["scores.jsonl"]))
    assert gallery(read_rows("scores.jsonl"), pics / "page.html", beside="scores.jsonl") is not None


def test_what_was_not_compared_abstains_and_what_is_not_there_is_said(pics):
    with AnswerFile("labels.jsonl") as file:
        work = Session(found(), file, "ada")
        waits = work.question
        work.answer(waits.id, 0)
    write_rows(found(), "labels.jsonl", "scores.jsonl")
    made = list(read_rows("scores.jsonl"))
    without = [row for row in made if row["score"] is None]
    assert len(without) == 3 and {row["error"] for row in without} == {"this person has not compared it yet"}
    assert all(row["of"] == 2 and math.isfinite(row["score"]) for row in made if row not in without)
    with pytest.raises(UsageError, match="nothing.jsonl cannot be read: No such file"):
        write_rows(found(), "nothing.jsonl", "scores.jsonl")
    with pytest.raises(UsageError, match="holds the answers, and would be replaced; give another --rows"):
        write_rows(found(), "labels.jsonl", "labels.jsonl")
    with AnswerFile("labels.jsonl") as file:
        Session(found(), file, "ada").undo()
    with pytest.raises(UsageError, match="none of its 2 answers is about these images"):
        write_rows(found(), "labels.jsonl", "scores.jsonl")


def test_agree_and_the_trainer_read_labels_as_they_are(pics):
    labelled("ada", 20)
    with AnswerFile("labels.jsonl") as file:
        work = Session(found(), file, "ada")
        work.answer(work.question.id, "skip")
        prefer_later(work)
        work.undo()
    done = run(pics, "agree", "labels.jsonl", "-r", "sharpness", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 0 and told["format"] == "rankkit label", done.stderr
    assert (told["pairs"], told["entries"], told["unreadable_images"]) == (20, 21, 0)
    entries = list(open_preferences("labels.jsonl").entries())
    better = [entry.names[i] > entry.names[j] for entry in entries for i, j in entry.decided()]
    assert better == [True] * 20


def test_images_that_no_answers_join_to_the_others_say_so_and_not_that_something_failed(pics):
    labelled("ada", 1)
    (first,) = (json.loads(line) for line in Path("labels.jsonl").read_text("utf-8").splitlines())
    names = sorted({f"pics/{name}.png" for name in "abcde"} - {first["image_a"], first["image_b"]})
    other = {**first, "question": "other", "image_a": names[0], "image_b": names[1]}
    Path("labels.jsonl").write_text(f"{json.dumps(first)}\n{json.dumps(other)}\n", "utf-8")
    write_rows(found(), "labels.jsonl", "scores.jsonl")
    reasons = {row["error"] for row in read_rows("scores.jsonl") if row["score"] is None}
    assert any("no answers lead from this image" in reason for reason in reasons)
    assert not any("failed" in reason for reason in reasons)
