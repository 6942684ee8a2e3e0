"""A ranker that gives everything one score is named during the run, once."""

import json
import sys

import pytest
from PIL import Image
from score_runs import folder, run, save_image, score

import rankkit
from rankkit import Group, Ranking
from rankkit.analysis.agree import agree
from rankkit.analysis.compare import compare
from rankkit.analysis.pairs import pair
from rankkit.registry.one_score import OneScoreWatch

RANKERS = """
import rankkit
from rankkit import Ranking

@rankkit.pointwise
def constant(image):
    return 0.25

@rankkit.pointwise
def nearly(image):
    return 1000 + image.getpixel((0, 0))[0] * 1e-9

@rankkit.pointwise
def slightly(image):
    return image.getpixel((0, 0))[0] * 1e-9

@rankkit.pointwise
def silent(image):
    return float("nan")

@rankkit.pairwise
def first_always(first, second):
    return 0.9

@rankkit.pairwise
def brighter(first, second):
    return 0.6 if first.getpixel((0, 0)) > second.getpixel((0, 0)) else 0.4

class Equal:
    def rank(self, groups):
        return [Ranking((float(i),) * len(group.images)) for i, group in enumerate(groups)]
"""
ONE_SCORE = {
    "constant": "gave one score, 0.25, to the first 32 different images",
    "nearly": "gave one score, 1000, to the first 32 different images",
    "first_always": "preferred none of the first",
    "Equal": "gave the images of each group one score",
}
DIFFERENT = ["slightly", "silent", "brighter"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine.py").write_text(RANKERS)
    sys.modules.pop("mine", None)
    for seed in range(40):
        save_image(tmp_path / "in" / f"g{seed // 8}" / f"{seed}.png", seed, (4, 4))
    for group in range(5):
        (tmp_path / "in" / f"g{group}" / "prompt.txt").write_text(f"prompt {group}")
    return tmp_path


@pytest.mark.parametrize("name", [*ONE_SCORE, *DIFFERENT])
def test_score_names_a_ranker_that_gives_everything_one_score_and_no_other(place, name):
    told = []
    score("in", f"mine:{name}", "out.jsonl", say=told.append)
    warnings = [line for line in told if line.startswith("warning")]
    assert [f"mine:{name} {ONE_SCORE[name]}" in line for line in warnings] == [True] * (name in ONE_SCORE)


@pytest.mark.parametrize("name", [*ONE_SCORE, *DIFFERENT])
def test_compare_and_agree_name_it_too(place, name):
    for seed in range(40):
        save_image(place / "a" / f"{seed}.png", seed, (4, 4))
        save_image(place / "b" / f"{seed}.png", 100 + seed, (4, 4))
    lines = [{"prompt": "x", "chosen": f"a/{i}.png", "rejected": f"b/{i}.png"} for i in range(40)]
    (place / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    ranker = {name: rankkit.load(f"mine:{name}")}
    for work in (
        lambda say: compare(pair("a", "b").pairs, ranker, say=say),
        lambda say: agree("pairs.jsonl", ranker, say=say),
    ):
        told: list[str] = []
        work(told.append)
        assert [f"{name} " in line for line in told] == [True] * (name in ONE_SCORE)


def test_the_command_says_it_on_stderr(place):
    done = run("score", "in", "-r", "mine:constant", "-o", "out.jsonl", cwd=place)
    assert done.stderr.count(b"warning: mine:constant gave one score") == 1 and done.returncode == 0


def test_fewer_images_or_the_same_image_again_say_nothing(place):
    told = []
    folder(place / "few", "abcdef")
    score("few", "mine:constant", "few.jsonl", say=told.append)
    watch, same = OneScoreWatch(told.append), Image.new("RGB", (2, 2))
    watch.groups("x", [Group("", (same, same))] * 40, [Ranking((1.0, 1.0), "pairwise")] * 40)
    watch.groups("y", [Group("", (same,))] * 40, [Ranking((1.0,), "pointwise")] * 40)
    assert not [line for line in told if line.startswith("warning")]
