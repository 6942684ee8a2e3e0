"""A ranker that cannot go on ends the run; it is never taken for a ranker that fails on an image."""

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

import rankkit
from rankkit import Group, Ranking, RunStopped
from rankkit.analysis import agree, compare, pairs
from rankkit.core.types import Identity
from rankkit.io.prompts import survey
from rankkit.registry.load import Prepared
from rankkit.remote.rankers import Pipe
from rankkit.scoring import engine
from rankkit.scoring.ray.chunks import OnRay

pytestmark = pytest.mark.fault


@dataclass
class Purse:
    """A listwise ranker that knows what it judged, and has money for so many groups more."""

    money: int
    judged: set[str] = field(default_factory=set)

    def rank(self, groups, /):
        for group in groups:
            if group.id not in self.judged and not self.money:
                raise RunStopped("the purse is empty; fill it and give the same command again")
            self.money -= group.id not in self.judged
            self.judged.add(group.id)
        return [Ranking(tuple(map(float, range(len(group.images))))) for group in groups]


def prepared(ranker):
    return Prepared("purse", Identity("purse", "1"), "listwise", False, lambda: ranker, False)


@pytest.fixture
def folder(tmp_path):
    for name in "abc":
        place = tmp_path / "images" / name
        place.mkdir(parents=True)
        (place / "prompt.txt").write_text(f"prompt {name}")
        for i in range(2):
            Image.new("RGB", (4, 4), (40 * i, 0, 0)).save(place / f"{i}.png")
    return tmp_path / "images"


def test_a_ranker_that_stops_ends_the_run_and_what_it_judged_is_kept(folder, tmp_path):
    rows, purse = tmp_path / "rows.jsonl", Purse(2)
    with pytest.raises(RunStopped, match="purse is empty"):
        engine.score(survey([folder]), [prepared(purse)], rows)
    assert not rows.exists()
    again = Purse(1)
    outcome = engine.score(survey([folder]), [prepared(again)], rows)
    assert (outcome.reused, outcome.scored, outcome.abstained) == (4, 2, 0)
    assert [row["error"] for row in map(json.loads, rows.read_text().splitlines())] == [None] * 6


def test_a_ranker_that_stops_while_it_is_built_ends_the_run(folder, tmp_path):
    def load():
        raise RunStopped("nobody answers")

    with pytest.raises(RunStopped, match="nobody answers"):
        engine.score(
            survey([folder]),
            [Prepared("x", Identity("x", "1"), "pointwise", False, load, True)],
            tmp_path / "rows.jsonl",
        )


@pytest.mark.parametrize("names", [("image",), ("images",), ("first", "second"), ("firsts", "seconds")])
def test_functions_that_stop_are_not_asked_again(names):
    calls = []

    def stops(*args, **kwargs):
        calls.append(1)
        raise RunStopped("no money left")

    function = eval(f"lambda {', '.join(names)}: stops()", {"stops": stops})
    group = Group("", tuple(Image.new("RGB", (2, 2), (i, 0, 0)) for i in range(3)))
    with pytest.raises(RunStopped):
        rankkit.build(function).rank([group])
    assert len(calls) == 1


def test_comparing_folders_stops_with_the_ranker(folder):
    pairing = pairs.pair(folder / "a", folder / "a")
    with pytest.raises(RunStopped):
        compare.compare(pairing.pairs, {"purse": Purse(0)})


def test_agreeing_with_humans_stops_with_the_ranker(folder, tmp_path):
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(json.dumps({"prompt": "x", "chosen": "a/0.png", "rejected": "a/1.png"}) + "\n")
    with pytest.raises(RunStopped):
        agree.agree(pairs, {"purse": Purse(0)}, images=folder)


SCRIPTED = """
import rankkit

class Purse:
    def __init__(self, *, money: int = 1):
        self.money = money

    def rank(self, groups, /):
        if len(groups) > self.money:
            raise rankkit.RunStopped("the purse is empty")
        self.money -= len(groups)
        return [rankkit.Ranking((1.0,) * len(group.images)) for group in groups]
"""


def test_a_ranker_that_stops_in_another_process_ends_the_run_with_its_words(folder, tmp_path, monkeypatch):
    (tmp_path / "purses.py").write_text(SCRIPTED)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path(rankkit.__file__).parent.parent)])
    )
    with Pipe([sys.executable, "-m", "rankkit.serving.pipe", "purses:Purse"], name="purse") as ranker:
        with pytest.raises(RunStopped, match="the purse is empty"):
            engine.score(survey([folder]), [prepared(ranker)], tmp_path / "rows.jsonl")
        assert len((tmp_path / "rows.jsonl.journal").read_bytes().splitlines()) >= 2


@pytest.mark.slow
def test_a_ranker_that_stops_on_a_cluster_ends_the_run_with_its_words(folder, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    from rankkit.registry.load import prepare

    (tmp_path / "purses.py").write_text(SCRIPTED)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    with pytest.raises(RunStopped, match="the purse is empty"):
        engine.score(survey([folder]), [prepare("purses:Purse")], tmp_path / "rows.jsonl", engine=OnRay())
    kept = [json.loads(line) for line in (tmp_path / "rows.jsonl.journal").read_text().splitlines()]
    assert [row["score"] for row in kept if "score" in row] == [1.0, 1.0]
