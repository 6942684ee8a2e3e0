"""A person's taste, from their answers to a trained generator: what each step of that way keeps of it.

    python -m benchmarks.taste [--seeds 1 2 3] [--arms hidden answers chance] [--questions 200] [--errs 0.1]

A hidden taste (warm colours, things to the left, whatever the prompt) stands for a person. It answers
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
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import rankkit
from benchmarks.record import RESULTS, record
from benchmarks.training import held_out, interval, measure
from drpo import build
from drpo.generators.one_step import OneStep
from drpo.recipes import shapes
from drpo.run.sample import read_config, trained
from drpo.shapes.detector import detect
from drpo.shapes.render import SIDE
from drpo.shapes.world import prompts
from drpo.types import fixed_seeds
from rankkit.choose.label.answers import AnswerFile
from rankkit.choose.label.candidates import candidates
from rankkit.choose.label.session import Session
from rankkit.io.prompts import survey

ROOT = Path(__file__).parents[1]
WARM = ("red", "yellow")
ARMS = ("hidden", "answers", "chance")
EVERY, EACH = 3, 8  # every third training prompt is labelled, with so many images
TRAINING = ("eval_every=1000", "checkpoint_every=1000")  # nothing of the run's own measurements is used


@rankkit.pointwise
def warm_and_left(image: Image.Image) -> float:
    """The hidden taste: the share of warm things plus how far left they all are, 0 to 2; 0 without any."""
    things = detect(image)
    if not things:
        return 0.0
    warm = np.mean([thing.color in WARM for thing in things])
    left = np.mean([1 - (thing.box[0] + thing.box[2]) / 2 / SIDE for thing in things])
    return float(warm + left)


def main() -> None:
    """Every arm with every seed, one after the other; what is a row already is left out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--errs", type=float, default=0.1)
    parser.add_argument("--work", type=Path, default=Path("runs/taste"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = RESULTS / "taste.jsonl"
    known = [json.loads(line) for line in rows.read_text("utf-8").splitlines()] if rows.exists() else []
    asked = {"questions": options.questions, "errs": options.errs}
    for seed, arm in itertools.product(options.seeds, options.arms):
        about = {"arm": arm, "seed": seed, **(asked if arm != "hidden" else {})}
        if not any(about.items() <= row.items() for row in known):
            folder = options.work.absolute() / f"seed-{seed}"
            errs = 0.5 if arm == "chance" else options.errs
            command = f"python -m benchmarks.taste --seeds {seed} --arms {arm}"
            done = record(
                "taste",
                "taste",
                command,
                lambda: about | one_run(folder, arm, seed, options.questions, errs),  # noqa: B023
            )
            print(json.dumps(done), flush=True)


def one_run(folder: Path, arm: str, seed: int, questions: int, errs: float) -> dict[str, Any]:
    """One arm of one seed, from the base's images to the measurement of the trained generator."""
    found: dict[str, Any] = {}
    if arm == "hidden":
        ranker = "benchmarks.taste:warm_and_left"
    else:
        sampled(folder / "base", seed)
        labels = folder / f"{arm}.jsonl"
        found["answers"] = answered(folder / "base", labels, questions, errs, seed)
        taste = folder / f"taste-{arm}"
        if not taste.exists():
            command("rankkit", "fit", labels.name, "-o", taste.name, folder=folder)
        ranker = f"./{taste.name}"
        found["fitted"] = accuracy(taste)
    folder.mkdir(parents=True, exist_ok=True)
    run = folder / f"run-{arm}"
    command(
        "drpo", "train", "shapes", f"ranker={ranker}", f"seed={seed}", *TRAINING, f"out={run.name}",
        folder=folder,
    )  # fmt: skip
    return found | compared(run)


def sampled(folder: Path, seed: int) -> None:
    """Images of the untrained generator for every third training prompt, a folder for each prompt."""
    generator = build.generator(shapes())
    for index, prompt in enumerate(prompts("train")[::EVERY]):
        part = folder / f"{index:03d}"
        if (part / "prompt.txt").exists():
            continue
        part.mkdir(parents=True, exist_ok=True)
        with torch.no_grad():
            made = generator.sample(prompt, generator.noise(EACH, next(fixed_seeds(seed, index)))).images()
        for number, image in enumerate(made):
            image.save(part / f"{number}.png")
        (part / "prompt.txt").write_text(prompt + "\n", encoding="utf-8")


def answered(images: Path, labels: Path, questions: int, errs: float, seed: int) -> dict[str, Any]:
    """The file of answers, up to so many; and how many there are, of how many images of how many prompts."""
    rng = random.Random(seed)
    found = candidates(survey([images]), labels)
    with AnswerFile(labels) as file:
        work = Session(found, file, "taste", rng=rng)
        while work.question is not None and work.progress().questions < questions:
            asked = work.question
            scores = [
                warm_and_left(Image.open(found[asked.prompt].items[place].path)) for place in asked.places
            ]
            best = int(np.argmax(scores))
            wrong = rng.random() < errs
            choice: int | str = 1 - best if wrong else "tie" if scores[0] == scores[1] else best
            work.answer(asked.id, choice, 1.0)
        agreed, repeated = work.consistency()
    return {
        "prompts": len(found),
        "images": sum(len(each.names) for each in found),
        "consistent": [agreed, repeated],
    }


def accuracy(taste: Path) -> dict[str, Any]:
    """How often the fitted ranker orders two held-out images of a prompt as the hidden taste does.

    Ties of either are half right; with a 95 % interval over prompts.
    """
    ranker = build.ranker(str(taste))
    generator = build.generator(shapes())
    assert isinstance(generator, OneStep)
    shares = []
    for prompt, noise in held_out(generator, "final"):
        with torch.no_grad():
            group = generator.sample(prompt, noise).group()
        guessed = ranker.rank([group])[0].scores
        hidden = [warm_and_left(image) for image in group.images]
        pairs = [
            (np.sign(guessed[i] - guessed[j]) * np.sign(hidden[i] - hidden[j]) + 1) / 2
            for i, j in itertools.combinations(range(len(hidden)), 2)
            if hidden[i] != hidden[j]
        ]
        shares.append(np.mean(pairs))
    return {"accuracy": round(float(np.mean(shares)), 3), "accuracy_95": interval(np.array(shares))}


def compared(run: Path) -> dict[str, Any]:
    """The hidden taste of held-out prompts' images before and after a run; what is right; the diversity."""
    config = read_config(run)
    base, after = trained(config, None), trained(config, run)
    assert isinstance(base, OneStep) and isinstance(after, OneStep)
    hidden = build.ranker("benchmarks.taste:warm_and_left")
    one, other = (measure(generator, hidden, "final") for generator in (base, after))
    gain = (other.score - one.score).mean(1)
    wins = ((np.sign(other.score - one.score) + 1) / 2).mean(1)
    return {
        "before": round(float(one.score.mean()), 4),
        "after": round(float(other.score.mean()), 4),
        "gain": round(float(gain.mean()), 4),
        "gain_95": interval(gain, digits=4),
        "wins": round(float(wins.mean()), 3),
        "wins_95": interval(wins),
        "right": [round(float(each.passed.mean()), 3) for each in (one, other)],
        "diversity": round(other.spread / one.spread, 3),
    }


def command(module: str, *words: str, folder: Path) -> None:
    """Run a command of ours there, with this checkout's packages. Raises where it fails."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    folder.mkdir(parents=True, exist_ok=True)
    print(f"$ {module} {' '.join(words)}", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", module, *words], cwd=folder, env=environment, check=True)


if __name__ == "__main__":
    main()
