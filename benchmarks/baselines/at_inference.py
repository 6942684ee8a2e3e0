"""Best of K without training: K images are drawn, the ranker's favourite is kept; K times the cost at every
use, and a ranker at hand.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.training import EACH, Measured
from drpo.generators.one_step import OneStep
from drpo.shapes.detector import Shapes
from drpo.shapes.world import Split, parse, prompts
from drpo.types import fixed_seeds
from rankkit import Ranker


def measure(generator: OneStep, ranker: Ranker, split: Split, count: int, seed: int) -> Measured:
    """As `benchmarks.training.measure`, of the best of `count` images at each of the places of a prompt."""
    strict, passed, crowded, scores, spread = Shapes(mode="strict"), [], [], [], []
    for index, prompt in enumerate(prompts(split)):
        kept, images = list[torch.Tensor](), []
        for _, number in zip(range(EACH), fixed_seeds(seed, index), strict=False):
            with torch.no_grad():
                sample = generator.sample(prompt, generator.noise(count, number))
            group = sample.group()
            best = int(np.argmax(ranker.rank([group])[0].scores))
            kept.append(sample.latents[best])
            images.append(group.images[best])
        group, asked = type(group)(prompt, tuple(images)), sum(c.count for c in parse(prompt).clauses)
        verdict = strict.rank([group])[0]
        passed.append(verdict.scores)
        crowded.append([float(len(details["objects"]) > asked) for details in verdict.details])
        scores.append(ranker.rank([group])[0].scores)
        spread.append(torch.pdist(torch.stack(kept).float().flatten(1)).mean().item())
    return Measured(np.array(passed), np.array(crowded), np.array(scores), float(np.mean(spread)))
