"""How much of the way to the repaired image there is in the gradient of each feature, at the base.

    python -m benchmarks.position [--tasks position attribution …] [--prompts 16]

Per training prompt of a task and 32 noises: the gradient on the LoRA of the preference term alone, beside the
oracle's, which takes the latents of the wrong candidates to those of the image that a corpus without mistakes
would show for the same noise (`drpo.shapes.corpus`). A row per task in results/position.jsonl: the cosine of
the two, its mean over prompts with its standard error, and that of the sums over prompts, for every key of
the latent MAE, for all of them, in the official and the masked field, with anchors from the group and from 64
other noises, and for bare latents. The oracle's distance is one of latents, so these are at home there.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.paper.published import published
from benchmarks.record import record
from drpo import build
from drpo.config import Config
from drpo.data import prompts as prompt_files
from drpo.generators.one_step import OneStep
from drpo.loss import drpo_loss, select_rows
from drpo.preference import split
from drpo.shapes.corpus import draws, scene
from drpo.shapes.render import render
from drpo.shapes.world import TASKS, parse
from drpo.types import FeatureMap, Sample, fixed_seeds
from rankkit import Ranker, Ranking

SEEN, OTHERS = 7, 8  # seeds of the candidates' noises and of those that anchors from outside are drawn from
OUTSIDE = 64  # candidates that anchors from outside the group are chosen of


def main() -> None:
    """Parse, measure each task, and print what there is in its row."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.position",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=["position", "attribution"])
    parser.add_argument("--prompts", type=int, default=16)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for task in given.tasks:
        command = f"python -m benchmarks.position --tasks {task} --prompts {given.prompts}"
        row = record("position", "position", command, partial(measure, task, given.prompts))
        print(f"{task}, {row['prompts']} prompts")
        for name, found in row["cosines"].items():
            print(
                f"  {name:28} {found['mean']:+.2f} ± {found['stderr']:.2f}, of the sums {found['sums']:+.2f}"
            )


def measure(task: str, count: int) -> dict[str, Any]:
    """The cosines of a task, over so many of its training prompts."""
    config = dataclasses.replace(published(), features="latent_mae+latent", reference_weight=0.0)
    torch.manual_seed(config.seed)
    generator, ranker = build.generator(config), build.ranker(config.ranker)
    assert isinstance(generator, OneStep)
    features = build.features(config, generator)
    known = [one.text for one in prompt_files.prompts("shapes") if parse(one.text).task == task]
    chosen = np.random.default_rng(0).choice(len(known), min(count, len(known)), replace=False)
    oracle, found = list[Tensor](), defaultdict[str, list[Tensor]](list)
    for number, index in enumerate(chosen):
        noise, others = (
            generator.noise(size, next(fixed_seeds(seed, number)))
            for size, seed in ((config.group_size, SEEN), (OUTSIDE, OTHERS))
        )
        sample = generator.sample(known[index], noise)
        ranking = _ranked(ranker, sample)
        oracle.append(_gradient(generator, _to_repaired(generator, sample, noise, ranking)))
        with torch.no_grad():
            outside = generator.sample(known[index], others)
        for name, loss in _losses(features, ranker, sample, ranking, outside, config):
            found[name].append(_gradient(generator, loss))
    cosines = {name: _cosines(each, oracle) for name, each in found.items()}
    return {"task": task, "prompts": len(oracle), "cosines": cosines}


def _ranked(ranker: Ranker, sample: Sample) -> Ranking:
    (ranking,) = ranker.rank([sample.group()])
    return ranking


def _to_repaired(generator: OneStep, sample: Sample, noise: Tensor, ranking: Ranking) -> Tensor:
    """The oracle: the squared distance of the wrong candidates to what the flawless corpus shows instead."""
    scenes = [scene(parse(sample.prompt), u, mistakes=0.0) for u in draws(noise.numpy())]
    pixels = torch.from_numpy(render(scenes)).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        repaired = generator.encode_pixels(pixels)
    wrong_K = torch.tensor([score < 1 for score in ranking.scores])
    return ((sample.latents - repaired).square().flatten(1).mean(1) * wrong_K).mean()


def _losses(
    features: FeatureMap, ranker: Ranker, sample: Sample, ranking: Ranking, outside: Sample, config: Config
) -> Iterator[tuple[str, Tensor]]:
    """The preference term in each key, and in all keys of the latent MAE with other anchors and fields."""
    points = dict(features(sample))
    anchors = split(ranking, config.anchors)
    assert anchors, "a prompt of which every candidate is right, or none"
    group = select_rows(points, anchors)
    for key in points:
        yield key, drpo_loss({key: points[key]}, group, {}, config)[0]
    several = {key: points[key] for key in points if key.startswith("latent_mae.")}
    masked = dataclasses.replace(config, field="masked")
    yield "latent_mae", drpo_loss(several, group, {}, config)[0]
    yield "latent_mae, masked", drpo_loss(several, group, {}, masked)[0]
    if anchors := split(_ranked(ranker, outside), config.anchors):
        others = select_rows(features(outside), anchors)
        yield "latent_mae, anchors outside", drpo_loss(several, others, {}, config)[0]
        yield "latent_mae, masked, outside", drpo_loss(several, others, {}, masked)[0]


def _gradient(generator: OneStep, loss: Tensor) -> Tensor:
    """Of the loss, on all trainable weights as one vector; the graph is kept."""
    weights = list(generator.parameters().values())
    found = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
    return torch.cat(
        [
            (torch.zeros_like(weight) if one is None else one).flatten()
            for weight, one in zip(weights, found, strict=True)
        ]
    )


def _cosines(each: Sequence[Tensor], oracle: Sequence[Tensor]) -> dict[str, float]:
    """Mean and standard error over prompts, and the cosine of the two sums."""
    cosine = torch.nn.functional.cosine_similarity
    values = torch.stack([cosine(a, b, dim=0) for a, b in zip(each, oracle, strict=True)])
    sums = cosine(torch.stack(list(each)).sum(0), torch.stack(list(oracle)).sum(0), dim=0)
    stderr = values.std() / len(values) ** 0.5
    return {
        "mean": round(values.mean().item(), 3),
        "stderr": round(stderr.item(), 3),
        "sums": round(sums.item(), 3),
    }


if __name__ == "__main__":
    main()
