"""Rankers that fork, segfault, hang or leak, in the program itself or behind a pipe.

No row is written twice and no answer sent twice; only what the ranker broke abstains.
"""

import json
import os
import sys

import pytest
from score_runs import folder, lines, rows, run

import rankkit
from rankkit.remote.rankers import Pipe

pytestmark = pytest.mark.fault
MODULE = """
import os, resource, sys, time, rankkit

def value(image):
    return float(sum(image.getpixel((0, 0))))

@rankkit.pointwise
def plain(image):
    return value(image)

@rankkit.pointwise
def comes_back_twice(image):
    os.fork()
    return value(image)

@rankkit.pointwise
def child_exits(image):
    if os.fork() == 0:
        sys.exit(0)
    os.wait()
    return value(image)

@rankkit.pointwise
def child_raises(image):
    if os.fork() == 0:
        raise ValueError("the child did not get far")
    os.wait()
    return value(image)

class ForksWhenBuilt(rankkit.Pointwise):
    def __init__(self):
        os.fork()
    def score(self, images):
        return [value(image) for image in images]

@rankkit.pointwise
def segfaults(image):
    if image.size == (7, 7):
        os.kill(os.getpid(), 11)
    return value(image)

@rankkit.pointwise
def hangs(image):
    if image.size == (7, 7):
        time.sleep(3600)
    return value(image)

@rankkit.pointwise
def leaks(image):
    if image.size == (7, 7):
        soft = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + 2**26
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        try:
            held = []
            while True:
                held.append(bytearray(2**20))
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    return value(image)
"""
FORKING = ["comes_back_twice", "child_exits", "child_raises", "ForksWhenBuilt"]
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@pytest.fixture
def place(tmp_path, monkeypatch):
    (tmp_path / "forked.py").write_text(MODULE)
    folder(tmp_path / "in", "abc", "a fox")
    rankkit_image(tmp_path / "in" / "b.png")
    monkeypatch.chdir(tmp_path)
    root = os.path.dirname(os.path.dirname(rankkit.__file__))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), root]))
    return tmp_path


def rankkit_image(path):
    from PIL import Image

    Image.new("RGB", (7, 7), "red").save(path)


def scores(path):
    return {row["image"]: row["score"] for row in rows(path)}


@needs_fork
@pytest.mark.parametrize("name", FORKING)
def test_a_ranker_that_forks_writes_every_row_once(place, name):
    run("score", "in", "-r", "forked:plain", "-o", "plain.jsonl", cwd=place)
    done = run("score", "in", "-r", f"forked:{name}", "-o", "out.jsonl", cwd=place)
    assert done.returncode == 0, done.stderr
    assert scores(place / "out.jsonl") == scores(place / "plain.jsonl") and lines(place / "out.jsonl") == 3
    assert done.stdout.count(b"\n") <= 3 and b"Traceback" not in done.stderr


def group(count=1, size=(4, 4), prompt="p"):
    from PIL import Image

    return rankkit.Group(prompt, tuple(Image.new("RGB", size, (i, 0, 0)) for i in range(1, count + 1)))


def behind_a_pipe(name, **options):
    return Pipe([sys.executable, "-m", "rankkit.serving.pipe", f"forked:{name}"], name="far", **options)


@needs_fork
@pytest.mark.parametrize("name", FORKING)
def test_a_ranker_that_forks_behind_a_pipe_answers_every_question_once(place, name):
    with behind_a_pipe(name) as ranker:
        for count in (1, 2, 3, 1):
            (ranking,) = ranker.rank([group(count)])
            assert ranking.scores == tuple(float(i) for i in range(1, count + 1))


@pytest.mark.parametrize(
    "name, why", [("segfaults", "SIGSEGV"), ("hangs", "did not answer within 2 s"), ("leaks", "MemoryError")]
)
def test_what_a_ranker_behind_a_pipe_does_to_one_group_costs_that_group_alone(place, name, why):
    with behind_a_pipe(name, timeout=2) as ranker:
        try:
            good, bad, last = ranker.rank([group(2), group(1, (7, 7)), group(1)])
        except rankkit.RankkitError as error:  # what the ranker raised, for who called it to ask one by one
            assert why in str(error)
        else:
            assert (good.scores, last.scores) == ((1.0, 2.0), (1.0,))
            assert why in bad.details[0]["error"]
        assert ranker.rank([group(1)])[0].scores == (1.0,)


def test_a_ranker_that_runs_out_of_memory_costs_the_image_alone(place):
    done = run("score", "in", "-r", "forked:leaks", "-o", "out.jsonl", cwd=place)
    assert done.returncode == 3, done.stderr
    errors = [row["error"] for row in map(json.loads, (place / "out.jsonl").read_text().splitlines())]
    assert [bool(error) for error in errors] == [False, True, False] and "MemoryError" in errors[1]


def test_a_segfault_in_the_program_itself_keeps_what_was_scored_before(place):
    for i in range(70):
        rankkit_image(place / "in" / f"a{i:02}.png")
        os.replace(place / "in" / f"a{i:02}.png", place / "in" / f"z{i:02}.png")
    folder(place / "first", map(str, range(70)), "a fox")
    done = run("score", "first", "in", "-r", "forked:segfaults", "-o", "out.jsonl", cwd=place)
    assert done.returncode == -11 and lines(place / "out.jsonl.journal") >= 64
    again = run("score", "first", "-r", "forked:segfaults", "-o", "out.jsonl", cwd=place)
    assert again.returncode == 0 and b"going on with" in again.stderr
