"""Two processes on the CPU train what one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch import Tensor

ROOT = Path(__file__).parents[2]
TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(ROOT),
    "OMP_NUM_THREADS": "1",
    "ACCELERATE_USE_CPU": "true",
    "CUDA_VISIBLE_DEVICES": "",  # else accelerate's barrier looks for a GPU per process
}
# three prompts are two for the one process and one for the other; evaluations are the main process' alone
SETTINGS = ["steps=3", "prompts_per_step=3", "group_size=6", "anchors=2", "eval_every=2"]
WATCHED = ["held_out=", "validation="]


def test_the_command_by_two_processes_writes_the_log_and_the_weights_of_one(tmp_path: Path) -> None:
    running = {
        out: subprocess.Popen(
            [*launcher, "-m", "drpo", "train", "shapes", *SETTINGS, *WATCHED, f"out={out}"],
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for out, launcher in ((tmp_path / "one", [sys.executable]), (tmp_path / "two", TWO))
    }
    for process in running.values():
        _, said = process.communicate(timeout=600)
        assert process.returncode == 0, said
    one, two = (rows(out / "log.jsonl") for out in running)
    assert [row["step"] for row in two] == [1, 2, 3]  # written by one process
    for name, most in (("reward", 1e-3), ("loss", 1e-5), ("gradient", 1e-4)):  # every prompt counts
        assert [row[name] for row in two] == pytest.approx([row[name] for row in one], rel=most), name
    for mine, theirs in zip(*map(trained, running), strict=True):
        assert (mine - theirs).norm() <= 0.01 * mine.norm()  # Adam makes much of the rounding of a gradient


def rows(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def trained(out: Path) -> list[Tensor]:
    return list(load_file(out / "pytorch_lora_weights.safetensors").values())
