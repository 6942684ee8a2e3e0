"""Training, sampling and scoring, each going on where it was interrupted."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import rankkit
from benchmarks.paper.full.plan import SETS, Plan, Prompts, generators
from drpo import build
from drpo.run import checkpoint, setup
from drpo.run.files import LORA
from drpo.run.run import run
from drpo.run.sample import sample_run
from rankkit import RankkitError
from rankkit.plugin import replacing_file

SEED, DONE, RUN, ROWS = 20260602, "done.json", "run", "scores.jsonl"


def go_on(plan: Plan, say: Callable[[str], None] = lambda words: print(words, file=sys.stderr)) -> None:
    """Do what is missing: train every recipe, sample it and its base, score all images."""
    plan.check()
    for name in plan.recipes:
        # before anything is loaded
        checkpoint.check(run_of(plan, name), dataclasses.asdict(plan.config(name)))
    for name in plan.recipes:
        say(f"{name}: training")
        train(plan, name)
    for place, images, base in sampled(plan):
        for prompts in SETS:
            say(f"{place.name}: {prompts.name}")
            sample(plan, images, prompts, place, base=base)
            score(plan, prompts, place)


def run_of(plan: Plan, name: str) -> Path:
    """The run folder of a recipe."""
    return plan.folder / name / RUN


def sampled(plan: Plan) -> Iterator[tuple[Path, Path, bool]]:
    """Every folder of images to be made, the run that they are of, and whether they are its base's."""
    for generator, names in generators(plan).items():
        yield plan.folder / f"base-{generator}", run_of(plan, names[0]), True
        for name in names:
            yield plan.folder / name, run_of(plan, name), False


def train(plan: Plan, name: str) -> None:
    """Train a recipe to its end, or go on. Raises `RankkitError` where it was interrupted before that."""
    config, out = plan.config(name), run_of(plan, name)
    if (out / LORA).is_file():
        return
    build.limit_threads(config)
    trainer, monitor = setup.trainer(config)
    if run(trainer, out, monitor=monitor).interrupted:
        raise RankkitError(f"{name}: interrupted after step {trainer.steps_done}; the same command goes on")


def sample(plan: Plan, run_folder: Path, prompts: Prompts, place: Path, *, base: bool) -> None:
    """The images of a set of prompts, unless they are there, of this very LoRA and file."""
    out, file = place / prompts.file.partition(".")[0], plan.prompts / prompts.file
    config = json.loads((run_folder / "config.json").read_text(encoding="utf-8"))
    weights = f"base of {config['generator']} {config['model']}" if base else _hash(run_folder / LORA)
    wanted = {"prompts": _hash(file), "weights": weights, "each": prompts.each, "seed": SEED}
    done = out / DONE
    if done.is_file() and json.loads(done.read_text(encoding="utf-8")) == wanted:
        return
    done.unlink(missing_ok=True)
    sample_run(run_folder, str(file), out, each=prompts.each, seed=SEED, base=base)
    with replacing_file(done) as part:
        part.write_text(json.dumps(wanted) + "\n", encoding="utf-8")


def score(plan: Plan, prompts: Prompts, place: Path) -> None:
    """Score the images of a set by every ranker that is for it; what is scored already stays."""
    images = place / prompts.file.partition(".")[0]
    rankkit.score(images, list(plan.rankers_of(prompts)), output=place / f"{images.name}-{ROWS}")


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
