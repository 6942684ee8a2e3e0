"""Two processes on two cores beside one, with the same prompts and noises."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

COMMANDS = {
    1: [sys.executable],
    2: [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"],
}


def processes(updates: int) -> dict[str, Any]:
    """Seconds of an update (median, the first left out) by one process and by two, a thread each, and how
    far the losses are apart.
    """
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "ACCELERATE_USE_CPU": "true",
        "CUDA_VISIBLE_DEVICES": "",
    }
    seconds, losses = {}, {}
    for count, command in COMMANDS.items():
        with tempfile.TemporaryDirectory() as place:
            settings = [f"steps={updates + 1}", f"out={place}/run", "held_out=", "eval_every=100000"]
            subprocess.run(
                [*command, "-m", "drpo", "train", "shapes", *settings],
                env=environment, check=True, capture_output=True,
            )  # fmt: skip
            lines = (Path(place) / "run" / "log.jsonl").read_text("utf-8").splitlines()
        log = [json.loads(line) for line in lines]
        phases = [sum(value for name, value in row.items() if name.startswith("s_")) for row in log[1:]]
        seconds[count], losses[count] = statistics.median(phases), [row["loss"] for row in log]
    return {
        "seconds": {count: round(spent, 3) for count, spent in seconds.items()},
        "ratio": round(seconds[1] / seconds[2], 2),
        "loss apart": max(abs(a - b) / abs(a) for a, b in zip(losses[1], losses[2], strict=True)),
        "updates": updates,
    }
