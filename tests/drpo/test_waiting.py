"""A ranker on another machine that goes away while a run trains is waited for, and then the run stops, to go
on later as if nothing had happened.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from served import ROOT, Served
from toy_generator import SETTINGS, Scorer, ToyGenerator, ranked_trainer
from typer.testing import CliRunner

from drpo import build
from drpo.cli import app
from drpo.features.latent import Latent
from drpo.run.run import run
from drpo.train import Trainer
from drpo.types import LogRow
from drpo.waiting import Patient
from rankkit import Group, Ranker, Ranking, RunStopped
from rankkit.errors import BrokenRanker
from rankkit.remote.rankers import Http, Pipe

REDNESS = """
import numpy as np, rankkit

@rankkit.pointwise
def redness(image):
    mean = np.asarray(image, np.float64).mean((0, 1))
    return float(mean[0] - (mean[1] + mean[2]) / 2)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a module that rankers come from."""
    (tmp_path / "red.py").write_text(REDNESS)
    return tmp_path


def trainer(ranker: Ranker, patience: float = 60.0, steps: int = 6) -> Trainer:
    config = replace(SETTINGS, steps=steps)
    return ranked_trainer(config, ToyGenerator(), Latent(), Patient(ranker, "red", patience), ["a", "b", "c"])


def after(step: int, what: Any) -> Any:
    def watch(row: LogRow) -> None:
        if row["step"] == step:
            what()

    return watch


def equal(one: Trainer, other: Trainer) -> bool:
    return all(map(torch.equal, one.weights + one.average, other.weights + other.average))


def test_a_server_that_dies_and_stays_away_stops_the_run_which_goes_on_as_if_it_had_not(folder: Path) -> None:
    whole = trainer(Scorer())
    run(whole, folder / "whole")
    with Served("red:redness", folder) as served, Http(served.url) as ranker:
        with pytest.raises(
            RunStopped, match=r"red did not answer for 0\.5 s: .*; 3 steps are kept in .*parts"
        ):
            run(trainer(ranker, patience=0.5), folder / "parts", watch=after(3, served.kill))
        served.start()
        resumed = trainer(ranker)
        run(resumed, folder / "parts")
    assert equal(whole, resumed)
    rows = [(folder / name / "log.jsonl").read_text().splitlines() for name in ("whole", "parts")]
    losses = [[json.loads(row)["loss"] for row in each] for each in rows]
    assert losses[0] == losses[1] and len(losses[0]) == 6


def test_ctrl_c_ends_the_wait_and_keeps_what_was_trained(folder: Path) -> None:
    whole = trainer(Scorer())
    run(whole, folder / "whole")

    def leave() -> None:
        served.kill()
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()

    with Served("red:redness", folder) as served, Http(served.url) as ranker:
        with pytest.raises(RunStopped, match=r"stopped while the ranker red .*; 3 steps are kept in .*parts"):
            run(trainer(ranker, patience=600), folder / "parts", watch=after(3, leave))
        served.start()
        resumed = trainer(ranker)
        run(resumed, folder / "parts")
    assert equal(whole, resumed)


def test_of_a_served_ranker_a_run_keeps_which_it_is(folder: Path) -> None:
    with Served("red:redness", folder) as served:
        made, version = build.versioned(served.url)
        assert version.startswith("red:redness ") and made.version in version
        made.close()


def test_a_server_that_comes_back_in_time_costs_no_group(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, said = trainer(Scorer()), list[str]()
    run(whole, folder / "whole")
    with Served("red:redness", folder) as served, Http(served.url) as ranker:

        def say(words: str) -> None:
            said.append(words)
            if len(said) == 1:  # it is being waited for
                threading.Thread(target=served.start).start()

        monkeypatch.setattr("drpo.waiting.say", say)
        interrupted = trainer(ranker)
        run(interrupted, folder / "parts", watch=after(3, served.kill))
    assert equal(whole, interrupted)
    assert "does not answer" in said[0] and said[1] == "the ranker red answers again"


def test_another_ranker_in_its_place_is_refused(folder: Path) -> None:
    with Served("red:redness", folder) as served, Http(served.url) as ranker:
        patient = Patient(ranker, "red", 60)
        served.kill()
        served.spec = "sharpness"
        served.start()
        ranker._client.close()
        assert patient.rank([group()])  # the connection is new, and only an absence is looked into
        with pytest.raises(BrokenRanker, match=r"was red:redness .* and is sharpness"):
            ranker.absence()


def group(prompt: str = "a") -> Group:
    return Group(prompt, (Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")))


def piped(folder: Path, spec: str, monkeypatch: pytest.MonkeyPatch) -> Pipe:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(ROOT)]))
    return Pipe([sys.executable, "-m", "rankkit.serving.pipe", spec], name="piped")


def test_a_worker_that_is_killed_is_started_again_and_the_run_equals_an_uninterrupted_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trainer(Scorer())
    run(whole, folder / "whole")
    with piped(folder, "red:redness", monkeypatch) as ranker:

        def kill() -> None:
            assert ranker.pid is not None
            os.kill(ranker.pid, signal.SIGKILL)

        killed = trainer(ranker)
        run(killed, folder / "killed", watch=after(3, kill))
    assert equal(whole, killed)


def test_a_group_that_kills_its_worker_every_time_is_skipped_and_not_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "odd_rankers.py").write_text((ROOT / "tests/helpers/odd_rankers.py").read_text())
    with piped(folder, "odd_rankers:Whole", monkeypatch) as ranker:
        for _ in range(4):  # more deaths than a worker has without somebody asking for it anew
            (ranking,) = Patient(ranker, "piped", 600).rank([group("die 3")])
            assert all(map(math.isnan, ranking.scores))
        assert not any(map(math.isnan, Patient(ranker, "piped", 600).rank([group("a cat")])[0].scores))
    assert "waiting" not in capsys.readouterr().err


class Refuses:
    """Answers, and judges nothing."""

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        reason = {"error": "no quotes in the prompt"}
        return [Ranking((math.nan,) * len(g.images), details=(reason,) * len(g.images)) for g in groups]


def test_a_ranker_that_answers_and_abstains_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert math.isnan(Patient(Refuses(), "r", 600).rank([group()])[0].scores[0])
    assert not capsys.readouterr().err


SMALL = ["prompts_per_step=1", "group_size=4", "anchors=2", "held_out=", "validation=", "eval_every=50"]


@pytest.mark.fault
@pytest.mark.slow
def test_a_server_that_is_killed_twenty_times_during_forty_steps_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, kills = trainer(Scorer(), steps=40), list[int]()
    run(whole, folder / "whole")
    with Served("red:redness", folder) as served, Http(served.url) as ranker:

        def kill(row: LogRow) -> None:
            if row["step"] % 2:
                kills.append(row["step"])
                served.kill()

        def say(words: str) -> None:
            if "does not answer" in words:
                threading.Thread(target=served.start).start()

        monkeypatch.setattr("drpo.waiting.say", say)
        killed = trainer(ranker, steps=40)
        run(killed, folder / "killed", watch=kill)
    assert len(kills) == 20 and equal(whole, killed)


@pytest.mark.slow
def test_the_command_stops_with_1_and_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    def train(out: str, steps: int, patience: float = 60) -> Any:
        places = [f"out={tmp_path / out}", f"ranker={served.url}", f"patience={patience}"]
        return CliRunner().invoke(app, ["train", "shapes", f"steps={steps}", *places, *SMALL])

    def losses(out: str) -> list[float | None]:
        return [
            json.loads(line).get("loss") for line in (tmp_path / out / "log.jsonl").read_text().splitlines()
        ]

    with Served("shapes", tmp_path) as served:
        assert train("whole", 4).exit_code == 0
        assert train("parts", 2).exit_code == 0
        threading.Timer(8, served.kill).start()  # the run is somewhere in its many steps then, or loads
        stopped = train("parts", 10_000, patience=1)
        assert isinstance(stopped.exception, (RunStopped, BrokenRanker)), stopped.output
        served.start()
        done = len(losses("parts"))
        assert train("parts", done + 2).exit_code == 0 and train("whole", done + 2).exit_code == 0
    assert losses("whole") == losses("parts") and len(losses("whole")) == done + 2


MUTE = """
import math

def mute(image, prompt):
    return math.nan if "square" in prompt else float(image.width)
"""


def test_a_run_that_mostly_has_no_ranking_says_so_and_exits_with_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mute.py").write_text(MUTE)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "p.txt").write_text("a square\na circle\n")
    places = [f"out={tmp_path / 'run'}", f"prompts={tmp_path / 'p.txt'}"]
    result = CliRunner().invoke(app, ["train", "shapes", "ranker=mute:mute", "steps=2", *places, *SMALL])
    assert result.exit_code == 3, result.output
    assert (
        "1 of 2 steps were skipped, without any ranking to learn from" in result.stderr
    )  # the other: equals
    assert (tmp_path / "run" / "pytorch_lora_weights.safetensors").is_file()


def test_a_run_in_which_all_candidates_were_equal_says_that_nothing_was_learned_and_exits_with_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "level.py").write_text("def level(image):\n    return 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    place = f"out={tmp_path / 'run'}"
    result = CliRunner().invoke(app, ["train", "shapes", "ranker=level:level", "steps=2", place, *SMALL])
    assert result.exit_code == 3, result.output
    assert "nothing was learned: in each of 2 steps the ranker found all candidates" in result.stderr


def test_a_tenth_of_skipped_steps_is_no_matter(tmp_path: Path) -> None:
    class Once:
        """Abstains on its first group."""

        def __init__(self) -> None:
            self.calls = 0

        def rank(self, groups: Sequence[Group]) -> list[Ranking]:
            self.calls += 1
            return Refuses().rank(groups) if self.calls == 1 else Scorer().rank(groups)

    config = replace(SETTINGS, prompts_per_step=1, steps=10)
    assert run(ranked_trainer(config, ToyGenerator(), Latent(), Once(), ["a"]), tmp_path / "a").skipped == ""
    config = replace(config, steps=9)
    ending = run(ranked_trainer(config, ToyGenerator(), Latent(), Once(), ["a"]), tmp_path / "b")
    assert ending.skipped.startswith("1 of 9 steps were skipped")
