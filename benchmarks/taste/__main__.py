"""A person's taste, from their answers to a trained generator: what each step of that way keeps of it.

    python -m benchmarks.taste [--seeds 1 2 3] [--arms hidden answers chance] [--questions 200] [--steps 160]

A hidden taste (warm colours, things far up, whatever the prompt) stands for a person. It answers
questions of `rankkit label` about images of the untrained shapes generator, a tenth of them wrongly; `rankkit
fit` makes a ranker of the answers; `drpo train shapes ranker=./my-taste` trains by it. Measured is the hidden
taste itself of images of prompts that neither the answers nor the training saw, before and after, on the same
noises. Beside it the same training by the hidden taste itself (`hidden`), and by a ranker fitted to answers
of somebody who tosses a coin (`chance`). Everything stands in `--work`, a folder for each seed and arm; what
is there already is not done again, and a finished run is a row of ``results/taste.jsonl``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.record import record, recorded
from benchmarks.score.processes import environment
from benchmarks.taste.measured import accuracy, compared
from benchmarks.taste.person import answered, sampled

ARMS = ("hidden", "answers", "chance")
# a fitted ranker takes 17 ms an image, so half of the recipe's candidates; none of a run's own measurements
TRAINING = (  # the method as published
    "features=latent_mae", "field=official", "reference_weight=0.2", "ranked=candidates",
    "group_size=16", "anchors=6", "eval_every=1000", "checkpoint_every=20",
)  # fmt: skip


def main() -> None:
    """Every arm with every seed, one after the other; what is a row already is left out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--errs", type=float, default=0.1)
    parser.add_argument("--steps", type=int, default=160, help="of training")
    parser.add_argument("--work", type=Path, default=Path("runs/taste"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    known = recorded("taste")
    asked = {"questions": options.questions, "errs": options.errs}
    for seed, arm in itertools.product(options.seeds, options.arms):
        about = {"arm": arm, "seed": seed, "steps": options.steps} | (asked if arm != "hidden" else {})
        if not any(about.items() <= row.items() for row in known):
            folder = options.work.absolute() / f"seed-{seed}"
            errs = None if arm == "chance" else options.errs
            command = f"python -m benchmarks.taste --seeds {seed} --arms {arm}"
            done = record(
                "taste",
                "taste",
                command,
                lambda: about | one_run(folder, about, errs),  # noqa: B023
            )
            print(json.dumps(done), flush=True)


def one_run(folder: Path, about: dict[str, Any], errs: float | None) -> dict[str, Any]:
    """One arm of one seed, from the base's images to the measurement of the trained generator."""
    found: dict[str, Any] = {}
    arm, seed = about["arm"], about["seed"]
    if arm == "hidden":
        ranker = "benchmarks.taste:warm_and_high"
    else:
        sampled(folder / "base", seed)
        labels = folder / f"{arm}.jsonl"
        found["answers"] = answered(folder / "base", labels, about["questions"], errs, seed)
        taste = folder / f"taste-{arm}"
        if not taste.exists():
            command("rankkit", "fit", labels.name, "-o", taste.name, folder=folder)
        ranker = f"./{taste.name}"
        found["fitted"] = accuracy(taste)
    folder.mkdir(parents=True, exist_ok=True)
    run = folder / f"run-{arm}-{about['steps']}"
    command(
        "drpo", "train", "shapes", f"ranker={ranker}", f"seed={seed}", f"steps={about['steps']}", *TRAINING,
        f"out={run.name}",
        folder=folder,
    )  # fmt: skip
    return found | compared(run)


def command(module: str, *words: str, folder: Path) -> None:
    """Run a command of ours there, with this checkout's packages. Raises where it fails."""
    folder.mkdir(parents=True, exist_ok=True)
    print(f"$ {module} {' '.join(words)}", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", module, *words], cwd=folder, env=environment(), check=True)


if __name__ == "__main__":
    main()
