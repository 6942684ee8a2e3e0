"""SIGKILL to the trainer: what it ends with against an uninterrupted run's, to the bit."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

SETTINGS = (
    "steps=8",
    "group_size=4",
    "anchors=1",
    "prompts_per_step=1",
    "checkpoint_every=1",
    "eval_every=4",
    "on_alarm=warn",
)
IN_A_ROW = 5  # times that one run is killed before it is left to end


def trainer(times: int, seed: int) -> dict[str, Any]:
    """`drpo train shapes` on the CPU, in forks of a process that has imported what it needs."""
    import drpo.build
    import drpo.generators.shapes
    import drpo.run.run  # noqa: F401

    rng, counts = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="rankkit-faults-") as name:
        place = Path(name)
        (place / "prompts.txt").write_text("a photo of a red circle\n")
        begun = time.perf_counter()
        training = _train(place / "whole")
        training.join()
        assert training.exitcode == 0, "the run does not work without being killed"
        seconds, whole = time.perf_counter() - begun, _result(place / "whole")
        while counts["kills"] < times:
            out = place / f"run-{counts['runs']}"
            for _ in range(min(IN_A_ROW, times - counts["kills"])):
                training = _train(out)
                training.join(rng.uniform(0, seconds))
                if training.is_alive():
                    training.kill()
                    counts["kills"] += 1
                training.join()
                if training.exitcode == 0:
                    break
            training = _train(out)
            training.join()
            counts["runs"] += 1
            counts["equal"] += training.exitcode == 0 and _result(out) == whole
    return {"steps": 8, "seconds of an uninterrupted run": round(seconds, 2), **counts}


def _train(out: Path) -> Any:
    process = multiprocessing.get_context("fork").Process(target=_command, args=(out,))
    process.start()
    return process


def _command(out: Path) -> None:
    from drpo.cli import main

    sys.stdout = sys.stderr = open(os.devnull, "w")
    os.dup2(sys.stdout.fileno(), 1)
    os.dup2(sys.stdout.fileno(), 2)
    sys.argv = ["drpo", "train", "shapes", *SETTINGS, f"validation={out.parent}/prompts.txt", f"out={out}"]
    main()


def _result(out: Path) -> tuple[bytes, list[dict[str, Any]]]:
    """The weights, and the log without times and memory."""
    rows = [
        json.loads(line)
        for name in ("log.jsonl", "evaluations.jsonl")
        for line in (out / name).read_text("utf-8").splitlines()
    ]
    timeless = [{k: v for k, v in row.items() if not k.startswith("s_") and k != "peak_mb"} for row in rows]
    return (out / "pytorch_lora_weights.safetensors").read_bytes(), timeless
