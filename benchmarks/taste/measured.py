"""How well a fitted ranker knows the hidden taste, and what training by a ranker made of it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.taste.person import warm_and_high
from benchmarks.training import held_out, interval, measure
from drpo import build
from drpo.generators.one_step import OneStep
from drpo.recipes import shapes
from drpo.run.sample import read_config, trained


def accuracy(taste: Path) -> dict[str, Any]:
    """How often the fitted ranker orders two held-out images of a prompt as the hidden taste does.

    Pairs that the hidden taste ties do not count, ties of the ranker are half right; 95 % interval over
    prompts.
    """
    ranker = build.ranker(str(taste))
    generator = build.generator(shapes())
    assert isinstance(generator, OneStep)
    shares = []
    for prompt, noise in held_out(generator, "final"):
        with torch.no_grad():
            group = generator.sample(prompt, noise).group()
        guessed = ranker.rank([group])[0].scores
        hidden = [warm_and_high(image) for image in group.images]
        pairs = [
            (np.sign(guessed[i] - guessed[j]) * np.sign(hidden[i] - hidden[j]) + 1) / 2
            for i, j in itertools.combinations(range(len(hidden)), 2)
            if hidden[i] != hidden[j]
        ]
        if pairs:
            shares.append(np.mean(pairs))
    return {"accuracy": round(float(np.mean(shares)), 3), "accuracy_95": interval(np.array(shares))}


def compared(run: Path) -> dict[str, Any]:
    """The hidden taste of held-out prompts' images before and after a run; what is right; the diversity."""
    config = read_config(run)
    base, after = trained(config, None), trained(config, run)
    assert isinstance(base, OneStep) and isinstance(after, OneStep)
    hidden = build.ranker("benchmarks.taste:warm_and_high")
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
