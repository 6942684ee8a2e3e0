"""A differentiable proxy of the detector, for the baselines that need a reward's gradient.

The detector names pixels and counts objects, so it has no gradient. A small convolutional network is trained
to say the graded score of an image for a prompt, on the base generator's images alone and on what the
detector says of them. What it is worth stands beside every number made with it: its correlation with the
detector on prompts that it was not trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from drpo.generators.one_step import OneStep
from drpo.shapes.detector import Shapes
from drpo.shapes.world import COLORS, RELATIONS, SHAPES, TASKS, parse, prompts
from drpo.types import fixed_seeds
from rankkit import Group

EACH, PASSES, BATCH, RATE = 64, 12, 128, 2e-3  # images per prompt, passes over them, AdamW's settings
HELD_OUT = 32  # images per tuning prompt for the correlation


class Proxy(nn.Module):
    """The graded score in (0, 1) of images (S,3,32,32) in [-1, 1], for what one prompt asks for."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        asked = len(request_vector(prompts("train")[0]))
        sizes = ((3, width, 1), (width, width, 2), (width, 2 * width, 2), (2 * width, 2 * width, 2))
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, stride, 1) for a, b, stride in sizes)
        self.scales = nn.ModuleList(nn.Linear(asked, 2 * b) for _, b, _ in sizes)
        self.head = nn.Sequential(nn.Linear(32 * width + asked, 128), nn.SiLU(), nn.Linear(128, 1))

    def forward(self, pixels: Tensor, asked: Tensor) -> Tensor:
        """(S,) logits of the score."""
        x = pixels
        for layer, scale in zip(self.layers, self.scales, strict=True):
            gain, shift = scale(asked)[:, :, None, None].chunk(2, dim=1)
            x = nn.functional.silu(layer(x) * (1 + gain) + shift)
        logits: Tensor = self.head(torch.cat([x.flatten(1), asked], 1)).squeeze(1)
        return logits

    def score(self, pixels: Tensor, prompt: str) -> Tensor:
        """(S,) scores in (0, 1), with a gradient to the pixels."""
        asked = torch.tensor(request_vector(prompt)).expand(len(pixels), -1)
        return torch.sigmoid(self(pixels, asked))


def request_vector(prompt: str) -> list[float]:
    """What a prompt asks for as zeros and ones: its task, and of up to two clauses shape, colour, count and
    relation.
    """
    request = parse(prompt)
    found = [float(request.task == task) for task in TASKS]
    for place in range(2):
        clause = request.clauses[place] if place < len(request.clauses) else None
        options: Sequence[tuple[Sequence[Any], Any]] = (
            (SHAPES, clause and clause.shape),
            (COLORS, clause and clause.color),
            ((1, 2, 3, 4), clause and clause.count),
            (RELATIONS, clause and clause.relation),
        )
        found += [float(value == option) for known, value in options for option in known]
    return found


def trained(generator: OneStep, file: Path) -> tuple[Proxy, dict[str, float]]:
    """The proxy kept in `file`, or a new one that is then kept there; with its correlation with the detector
    on held-out prompts and the number of images that it saw.
    """
    proxy = Proxy()
    if not file.is_file():
        found = fit(generator, each=EACH, passes=PASSES)
        figures = {"correlation": correlation(found, generator), "images": len(prompts("train")) * EACH}
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"weights": found.state_dict(), "figures": figures}, file.with_suffix(".part"))
        file.with_suffix(".part").replace(file)
    kept = torch.load(file, weights_only=True)
    proxy.load_state_dict(kept["weights"])
    return proxy.requires_grad_(False).eval(), kept["figures"]


def fit(generator: OneStep, *, each: int, passes: int, width: int = 32) -> Proxy:
    """Train a proxy on `each` images of the base per training prompt, scored by the detector for their own
    prompt and for another one of the same task.
    """
    pixels, asked, scores = examples(generator, "train", each)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        proxy, order = Proxy(width), torch.Generator().manual_seed(0)
        optimizer = torch.optim.AdamW(proxy.parameters(), RATE, weight_decay=0.01)
        batches = max(1, len(scores) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, passes * batches)
        for _ in range(passes):
            for rows in torch.randperm(len(scores), generator=order).chunk(batches):
                logits = proxy(pixels[rows // 2].float() / 127.5 - 1, asked[rows])
                loss = nn.functional.binary_cross_entropy_with_logits(logits, scores[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    return proxy.requires_grad_(False).eval()


def examples(generator: OneStep, split: Any, each: int) -> tuple[Tensor, Tensor, Tensor]:
    """The base's images of a split (S,3,H,W) in bytes; per image two rows, for its own prompt and for
    another of its task: what is asked (2S,·) and the detector's graded score (2S,).
    """
    detector, names = Shapes(), prompts(split)
    images, asked, scores = list[Tensor](), list[list[float]](), list[float]()
    rng = np.random.default_rng(0)
    for index, prompt in enumerate(names):
        with torch.no_grad(), generator.reference():
            group = generator.sample(prompt, generator.noise(each, next(fixed_seeds(91, index)))).group()
        alike = [other for other in names if parse(other).task == parse(prompt).task]
        for image in group.images:
            other = alike[rng.integers(len(alike))]
            for text in (prompt, other):
                (ranking,) = detector.rank([Group(text, (image,))])
                asked.append(request_vector(text))
                scores += ranking.scores
            images.append(torch.from_numpy(np.array(image)).permute(2, 0, 1))
    return torch.stack(images), torch.tensor(asked), torch.tensor(scores)


def correlation(proxy: Proxy, generator: OneStep, split: Any = "tuning") -> float:
    """Pearson's, between the proxy and the detector on the base's images for their own prompts, of a split
    that was not trained on.
    """
    pixels, asked, scores = examples(generator, split, HELD_OUT)
    with torch.no_grad():
        said = torch.sigmoid(proxy(pixels.float() / 127.5 - 1, asked[::2]))
    return round(float(np.corrcoef(said.numpy(), scores[::2].numpy())[0, 1]), 4)
