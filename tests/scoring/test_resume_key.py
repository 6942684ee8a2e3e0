"""What makes an earlier score stand: the metadata that its ranker reads, and the overwrite it belongs to."""

import json
import os
import signal

import pytest
from compared import COMPARED
from PIL import Image
from score_runs import SLOW, folder, keyed, lines, rows, run, score, start, wait_for

from rankkit.io.formats import to_json
from rankkit.scoring.journal import Journal

READS = (
    COMPARED
    + """
@rankkit.pointwise
def reads(image, metadata):
    return metadata.get("wanted", 0)

@rankkit.pairwise
def compares(first, second, metadata):
    return 0.5
"""
)


@pytest.fixture
def place(here, write_modules):
    """A current folder with four images in `in` and modules of rankers."""
    folder(here / "in", "abcd")
    write_modules(slowly=SLOW, reading=READS)
    return here


def metadata(**about):
    with open("in/metadata.jsonl", "w") as file:
        for name in "abcd":
            line = {"file_name": f"{name}.png", "text": "a cat", **about.get(name, about.get("rest", {}))}
            file.write(json.dumps(line) + "\n")


def test_a_score_stands_only_while_the_metadata_that_its_ranker_reads_is_the_same(place):
    def scored(*specs):
        return [score("in", f"reading:{name}", "out.jsonl").scored for name in specs]

    metadata(rest={"wanted": 1, "nested": [{"class": "cat"}]})
    assert scored("reads", "compares", "blind", "reads+reading:blind") == [4, 4, 4, 4]
    assert scored("reads", "compares", "blind", "reads+reading:blind") == [0, 0, 0, 0]
    metadata(rest={"wanted": 1, "nested": [{"class": "cat"}]}, b={"wanted": 1, "nested": [{"class": "dog"}]})
    assert scored("reads", "compares", "blind", "reads+reading:blind") == [1, 4, 0, 1]
    metadata()
    assert scored("reads", "compares", "blind", "reads+reading:blind") == [4, 4, 0, 4]
    assert {row["score"] for row in rows("out.jsonl") if row["ranker"] == "reading:reads"} == {0}


@pytest.mark.parametrize(
    "spec", ["reading:Compared", "reading:Compared:folder=of", "reading:Compared*2+blind"]
)
def test_a_score_stands_only_while_the_image_that_its_metadata_names_is_the_same(place, spec):
    def scored():
        return score("in", spec.replace("+blind", "+reading:blind"), "out.jsonl").scored

    (place / "of").mkdir()
    start_at = "" if "folder" in spec else "of/"
    for name, colour in {"one": (10, 0, 0), "two": (20, 0, 0)}.items():
        Image.new("RGB", (4, 4), colour).save(f"of/{name}.png")
    metadata(a={"source": f"{start_at}one.png"}, rest={"source": f"{start_at}two.png"})
    assert scored() == 4 and scored() == 0
    os.utime("of/two.png", (1, 1))  # the same content
    assert scored() == 0
    Image.new("RGB", (4, 4), (30, 0, 0)).save("of/two.png")
    assert scored() == 3 and scored() == 0
    os.rename("of/one.png", "of/three.png")
    metadata(a={"source": f"{start_at}three.png"}, rest={"source": f"{start_at}two.png"})
    assert scored() == 0  # the same image by another name


def test_rows_of_a_ranker_that_names_no_images_stand_whatever_files_its_metadata_names(place):
    Image.new("RGB", (4, 4), (10, 0, 0)).save("one.png")
    metadata(rest={"wanted": 1, "source": "one.png"})
    assert score("in", "reading:reads", "out.jsonl").scored == 4
    Image.new("RGB", (4, 4), (30, 0, 0)).save("one.png")
    assert score("in", "reading:reads", "out.jsonl").scored == 0


def test_an_interrupted_overwrite_goes_on_where_it_stopped(place):
    folder(place / "many", map(str, range(200)))
    command = ["score", "many", "-r", "slowly:slow", "-o", "out.jsonl"]
    assert run(*command, cwd=place).returncode == 0
    for row in (everything := rows("out.jsonl")):
        row["score"] = -1.0
    (place / "out.jsonl").write_text("".join(to_json(row) + "\n" for row in everything))
    journal = place / "out.jsonl.journal"
    running = start(*command, "--overwrite", cwd=place)
    wait_for(lambda: journal.exists() and lines(journal) > 1)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    kept = lines(journal) - 1
    assert 0 < kept < 200
    done = run(*command, "--overwrite", cwd=place).stderr.decode()
    assert f"{200 - kept} scored" in done and f"going on with {kept} scores" in done
    assert min(row["score"] for row in rows("out.jsonl")) >= 0 and len(keyed(rows("out.jsonl"))) == 200
    assert b"200 scored" in run(*command, "--overwrite", cwd=place).stderr  # the one before had ended


@pytest.mark.parametrize("other", ["contrast", "sharpness"])
def test_an_overwrite_of_something_else_begins_anew(place, other):
    score("in", "sharpness", "whole.jsonl")
    for row in (found := rows("whole.jsonl")):
        row["score"] = -1.0
    with Journal(place / "out.jsonl") as journal:
        journal.overwrite("the sharpness of other folders")
        journal.append([to_json(row) for row in found])
        left = journal.path.read_bytes()
    journal.path.write_bytes(left)
    assert score("in", other, "out.jsonl", overwrite=True).scored == 4
    assert [row["ranker"] for row in rows("out.jsonl")] == [other] * 4


def test_a_plain_run_takes_what_an_interrupted_overwrite_had_scored(place):
    score("in", "sharpness", "whole.jsonl")
    with Journal(place / "out.jsonl") as journal:
        journal.overwrite("any")
        journal.append([to_json(row) for row in rows("whole.jsonl")[:3]])
        left = journal.path.read_bytes()
    journal.path.write_bytes(left)
    assert score("in", "sharpness", "out.jsonl").scored == 1
    assert rows("out.jsonl") == rows("whole.jsonl")
