"""Two processes on the CPU train what one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

HELPERS = Path(__file__).parents[1] / "helpers"
ROOT = HELPERS.parents[1]
SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path
from toy_generator import ranked_trainer, Scorer, SETTINGS, ToyGenerator
from drpo.features.latent import Latent
from drpo.run.monitor import Monitor
from drpo.run.run import run
from drpo.types import Prompt
config = replace(SETTINGS, prompts_per_step=3, steps=5, eval_every=2)
trainer = ranked_trainer(config, ToyGenerator(), Latent(), Scorer(), ["a", "b", "c", "d"])
monitor = Monitor({"toy": Scorer()}, "toy", [Prompt("a")]) if trainer.accelerator.is_main_process else None
count = trainer.accelerator.num_processes
run(trainer, Path(sys.argv[1]), monitor=monitor)
if trainer.accelerator.is_main_process:
    print(count, "processes")
"""


TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(HELPERS)]),
    "OMP_NUM_THREADS": "1",
    "ACCELERATE_USE_CPU": "true",
    "CUDA_VISIBLE_DEVICES": "",  # else accelerate's barrier looks for a GPU per process
}


def test_the_command_by_two_processes_writes_one_log_with_the_losses_of_one(tmp_path: Path) -> None:
    settings = ["steps=2", "prompts_per_step=2", "group_size=6", "anchors=2", "held_out=", "eval_every=9"]
    logs = []
    for name, launcher in (("one", [sys.executable]), ("two", TWO)):
        command = [*launcher, "-m", "drpo", "train", "shapes", *settings, f"out={tmp_path / name}"]
        done = subprocess.run(command, env=ENVIRONMENT, timeout=300, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        logs.append([json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()])
    assert len(logs[0]) == len(logs[1]) == 2
    assert [row["loss"] for row in logs[0]] == pytest.approx([row["loss"] for row in logs[1]], rel=1e-5)


def test_two_processes_equal_one(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    for command, out, count in (([sys.executable], "one", 1), (TWO, "two", 2)):
        command = [*command, str(script), str(tmp_path / out)]
        done = subprocess.run(command, env=ENVIRONMENT, timeout=300, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, f"{count} processes\n"), done.stderr
    for mine, theirs in zip(
        torch.load(tmp_path / "one/toy.pt"), torch.load(tmp_path / "two/toy.pt"), strict=True
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)
    logs = [
        [json.loads(line) for line in (tmp_path / out / "log.jsonl").read_text().splitlines()]
        for out in ("one", "two")
    ]
    for name, most in (
        ("reward", 1e-3),
        ("loss", 1e-5),
        ("gradient", 1e-4),
    ):  # every prompt counts in the log
        assert [a[name] for a in logs[0]] == pytest.approx([b[name] for b in logs[1]], rel=most), name
