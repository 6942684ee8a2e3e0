"""The hidden taste, the images that it is asked about, and its answers, as `rankkit label` keeps them."""

from __future__ import annotations

import random
from collections.abc import Sequence
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
from rankkit.choose.label.answers import AnswerFile, standing
from rankkit.choose.label.candidates import candidates
from rankkit.choose.label.session import Session
from rankkit.io.prompts import survey

WARMTH = {"red": 1.0, "yellow": 0.7, "green": 0.2, "blue": 0.0}
EVERY, EACH = 3, 8  # every third training prompt is labelled, with so many images


@rankkit.pointwise
def warm_and_high(image: Image.Image) -> float:
    """The hidden taste: how warm the things in an image are and how far up, 0 to 2; 0 without any."""
    things = detect(image)
    if not things:
        return 0.0
    warm = np.mean([WARMTH[thing.color] for thing in things])
    high = np.mean([1 - (thing.box[1] + thing.box[3]) / 2 / SIDE for thing in things])
    return float(warm + high)


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


def answered(images: Path, labels: Path, questions: int, errs: float | None, seed: int) -> dict[str, Any]:
    """The file of answers, up to so many, of which a share `errs` is wrong; None tosses a coin for each.

    What comes back says of how many images and prompts they are, and how many repeated ones were alike.
    """
    rng = random.Random(seed)
    found = candidates(survey([images]), labels)
    with AnswerFile(labels) as file:
        work = Session(found, file, "taste", rng=rng)
        while work.question is not None and work.progress().questions < questions:
            items = found[work.question.prompt].items
            scores = [warm_and_high(Image.open(items[place].path)) for place in work.question.places]
            work.answer(work.question.id, _choice(scores, errs, rng), 1.0)
        alike, repeated = work.consistency()
        ties = sum(answer.choice == "tie" for answer in standing(file.answers))
    counts = {"images": sum(len(each.names) for each in found), "prompts": len(found)}
    return {**counts, "ties": ties, "repeated": repeated, "alike": alike}


def _choice(scores: Sequence[float], errs: float | None, rng: random.Random) -> int | str:
    best = int(np.argmax(scores))
    if errs is None:
        return rng.randrange(2)
    if rng.random() < errs:
        return 1 - best
    return "tie" if scores[0] == scores[1] else best
