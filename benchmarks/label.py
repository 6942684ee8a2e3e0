"""How many answers of a person `rankkit label` needs to find the best images, beside pairs drawn at random.

    python -m benchmarks.label [--people 60] [--images 64] [--top 8] [--random 640]

A simulated person prefers images in one order and errs in a tenth of all answers, however far the two are
apart. Both ways run as the command does; `random` asks about random pairs alone, `label` as it is: a fifth at
random, a twentieth repeated. What is counted is how many of the true top are in the top of the Bradley–Terry
utilities. `answers` is the first count from which the mean over people is at least that of the random pairs
at their end; intervals are bootstrapped over people.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rankkit.choose.label.questions as questions
from benchmarks.record import record
from rankkit.choose.label.answers import AnswerFile
from rankkit.choose.label.beliefs import SETTLED
from rankkit.choose.label.candidates import Candidates
from rankkit.choose.label.session import Session
from rankkit.core.aggregate import bradley_terry
from rankkit.io.prompts import Item

ERRS = 0.1
EVERY = 10  # answers between two counts
Curve = NDArray[np.float64]


def person(seed: int, n: int, top: int, answers: int, share_at_random: float, folder: Path) -> dict[str, Any]:
    """One person's session: how many of the true top are found, every `EVERY` answers, and when it was said
    to be settled.
    """
    rng = random.Random(seed)
    place = list(range(n))
    rng.shuffle(place)
    best = {i for i in range(n) if place[i] < top}
    names = tuple(f"{i}.png" for i in range(n))
    items = tuple(Item(name, name, "g", "p") for name in names)
    questions.RANDOM, questions.REPEATED = share_at_random, 0.05 if share_at_random < 1 else 0.0
    found, settled = [], None
    with AnswerFile(folder / f"{seed}-{share_at_random}.jsonl") as file:
        work = Session([Candidates("p", "g", items, names)], file, "someone", top=top, rng=rng)
        for count in range(1, answers + 1):
            one, other = work.question.places  # type: ignore[union-attr]
            right = 0 if place[one] < place[other] else 1
            work.answer(work.question.id, 1 - right if rng.random() < ERRS else right)  # type: ignore[union-attr]
            if count % EVERY == 0:
                theta, _ = bradley_terry(work._questions._wins[0])
                found.append(len(best & set(np.argsort(-theta, kind="stable")[:top].tolist())))
                if settled is None and share_at_random < 1 and work.progress().done:
                    settled = (count, found[-1])
    return {"found": found, "settled": settled}


def first_reaching(curves: Curve, level: float) -> int:
    """The first count of answers from which the mean curve stays at that level; the last + 1 for none."""
    below = np.nonzero(curves.mean(0) < level)[0]
    return EVERY * (int(below[-1]) + 2 if len(below) else 1)


def measure(people: int, n: int, top: int, at_random: int) -> dict[str, Any]:
    """Both ways for so many people, and what they come to."""
    rows = {}
    with tempfile.TemporaryDirectory() as place:
        for way, share in (("random", 1.0), ("label", 0.2)):
            rows[way] = [person(seed, n, top, at_random, share, Path(place)) for seed in range(people)]
    curves = {way: np.array([each["found"] for each in found], float) for way, found in rows.items()}
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(2000):
        some = rng.integers(0, people, people)
        level = curves["random"][some].mean(0)[-1]
        draws.append(first_reaching(curves["label"][some], level) / at_random)
    level = float(curves["random"].mean(0)[-1])
    needed = first_reaching(curves["label"], level)
    settled = [each["settled"] for each in rows["label"] if each["settled"]]
    shown = {
        way: {str(EVERY * (i + 1)): _mean(found[:, i]) for i in _shown(at_random)}
        for way, found in curves.items()
    }
    return {
        "people": people, "images": n, "top": top, "errs": ERRS,
        "random": {"answers": at_random, "found": _mean(curves["random"][:, -1])},
        "label": {"answers": needed, "found": _mean(curves["label"][:, min(needed, at_random) // EVERY - 1])},
        "share": {"mean": needed / at_random, "low": _quantile(draws, 2.5), "high": _quantile(draws, 97.5)},
        "found by answers": shown,
        "settled": {
            "at": SETTLED,
            "people": len(settled),
            "answers": float(np.median([count for count, _ in settled])) if settled else None,
            "found": float(np.mean([right for _, right in settled])) if settled else None,
        },
    }  # fmt: skip


def _shown(answers: int) -> list[int]:
    return [count // EVERY - 1 for count in (50, 100, 150, 200, 300, 400, 500, 640) if count <= answers]


def _mean(values: Curve) -> dict[str, float]:
    error = 1.96 * values.std(ddof=1) / len(values) ** 0.5
    return {"mean": round(float(values.mean()), 2), "±": round(float(error), 2)}


def _quantile(values: list[float], at: float) -> float:
    return round(float(np.percentile(values, at)), 3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--top", type=int, default=8)
    parser.add_argument("--random", type=int, default=640)
    asked = parser.parse_args()
    command = f"python -m benchmarks.label --people {asked.people}"
    print(
        record(
            "label",
            "label",
            command,
            lambda: measure(asked.people, asked.images, asked.top, asked.random),
        )
    )
