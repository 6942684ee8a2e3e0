"""What the tests of `rankkit label` share: candidates without images, sessions, and answers by a rule."""

from __future__ import annotations

import random
from pathlib import Path

from rankkit.choose.label.answers import AnswerFile
from rankkit.choose.label.candidates import Candidates
from rankkit.choose.label.session import Session
from rankkit.io.prompts import Item


def candidates(count: int = 6, prompt: str = "a cat", folder: str = "pics") -> Candidates:
    """So many images of one prompt, which nobody reads."""
    names = tuple(f"{folder}/{i}.png" for i in range(count))
    return Candidates(prompt, "g", tuple(Item(name, name, "g", prompt) for name in names), names)


def session(path: Path, *groups: Candidates, who: str = "ada", seed: int = 0, **options) -> Session:
    """A session on a file, which it opens."""
    return Session(list(groups) or [candidates()], AnswerFile(path), who, rng=random.Random(seed), **options)


def prefer_later(work: Session) -> None:
    """Answer the question that waits: the image with the highest number is the best."""
    waits = work.question
    assert waits is not None
    assert work.answer(waits.id, waits.places.index(max(waits.places)), 0.5)
