"""`--engine ray`: the same rows as without it."""

import importlib.util
import json
import sys
from dataclasses import asdict

import pytest
from score_runs import LISTWISE, SLOW, folder, rows, run

from rankkit.io.prompts.base import Item
from rankkit.scoring.ray import Scorer
from rankkit.scoring.work import Work

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")


@pytest.mark.slow
def test_ray_gives_the_rows_of_a_local_run(tmp_path):
    for name in ("one", "two"):
        folder(tmp_path / "in" / name, map(str, range(70)))
        (tmp_path / "in" / name / "prompt.txt").write_text(f"a blue number {name} 🦊")
    (tmp_path / "in" / "one" / "zero.png").touch()
    (tmp_path / "slowly.py").write_text(SLOW)
    (tmp_path / "darker.py").write_text(LISTWISE)
    rankers = (
        "-r",
        "slowly:slow",
        "-r",
        "darker:Darker",
        "-r",
        "prompt-color",
        "-r",
        "compressibility:quality=50",
    )
    for engine in ("local", "ray"):
        done = run("score", "in", *rankers, "--engine", engine, "-o", f"{engine}.jsonl", cwd=tmp_path)
        assert done.returncode == 3, done.stderr.decode()
    assert rows(tmp_path / "ray.jsonl") == rows(tmp_path / "local.jsonl")
    again = run("score", "in", *rankers, "--engine", "ray", "-o", "ray.jsonl", cwd=tmp_path)
    assert (
        b"490 known already" in again.stderr
    )  # the abstentions are tried again, and with one of them its whole listwise group
    assert (tmp_path / "ray.jsonl").read_bytes() == (tmp_path / "local.jsonl").read_bytes()


def test_a_worker_builds_its_ranker_once_however_many_chunks_it_is_given(tmp_path, monkeypatch):
    folder(tmp_path / "in", "abc")
    (tmp_path / "built_once.py").write_text(
        "BUILT = []\nimport rankkit\n\nclass Once(rankkit.Pointwise):\n    def __init__(self):\n"
        "        BUILT.append(1)\n    def score(self, images):\n        return [1.0] * len(images)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    worker = Scorer(["built_once:Once"], whole=False)
    for name in "abc":
        work = Work((0, 0), Item(f"in/{name}.png", f"in/{name}.png", "g"), (0,))
        found = worker({"works": [json.dumps([asdict(work)])]})
        assert json.loads(found["rows"][0])[0][1]["score"] == 1.0
    assert len(sys.modules["built_once"].BUILT) == 1
