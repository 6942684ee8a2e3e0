"""The hidden taste, the images that it is asked about, and its answers, as `rankkit label` keeps them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import rankkit
from drpo import build
from drpo.recipes import shapes
from drpo.shapes.detector import detect
from drpo.shapes.render import SIDE
from drpo.shapes.world import prompts
from drpo.types import fixed_seeds
from rankkit.choose.label.answers import AnswerFile
from rankkit.choose.label.candidates import candidates
from rankkit.choose.label.session import Session
from rankkit.io.prompts import survey

WARM = ("red", "yellow")
EVERY, EACH = 3, 8  # every third training prompt is labelled, with so many images


@rankkit.pointwise
def warm_and_left(image: Image.Image) -> float:
    """The hidden taste: the share of warm things plus how far left they all are, 0 to 2; 0 without any."""
    things = detect(image)
    if not things:
        return 0.0
    warm = np.mean([thing.color in WARM for thing in things])
    left = np.mean([1 - (thing.box[0] + thing.box[2]) / 2 / SIDE for thing in things])
    return float(warm + left)


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
