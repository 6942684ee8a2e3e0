"""What chosen and rejected images from disk teach the shapes generator, without a ranker being asked while
it trains.

    python -m benchmarks.offline [--seeds 1 2 3] [field=value ...]

For every training prompt the base draws 32 images, the ranker `shapes` chooses the best four and rejects
the worst four, and they go to disk as PNG with a ``.jsonl`` beside them. Then each mode of ``offline=``
trains on that file alone, and is measured as in `training`: a row per run, arms ``images`` and ``rank``, in
``results/offline.jsonl``.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.paper.published import published
from benchmarks.training import RESULTS, measure, summary
from drpo import build
from drpo.config import Config
from drpo.data import prompts as prompt_files
from drpo.generators.one_step import OneStep
from drpo.run import setup
from drpo.settings import with_settings
from drpo.shapes.detector import Shapes
from drpo.types import Prompt, fixed_seeds

DRAWN, KEPT = 32, 4


def main() -> None:
    """Write the preferences once, then train in both modes with every seed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--split", default="final", choices=["final", "tuning"])
    parser.add_argument("settings", nargs="*")
    options = parser.parse_intermixed_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        file = preferences(Path(folder), prompt_files.prompts("shapes"))
        for mode in ("images", "rank"):
            for seed in options.seeds:
                chosen = [
                    *options.settings,
                    f"seed={seed}",
                    "ranker=",
                    f"preferences={file}",
                    f"offline={mode}",
                    "held_out=",
                ]
                config = with_settings(published(), chosen)
                row = {"date": f"{datetime.date.today()}", "arm": mode, "seed": seed, "split": options.split}
                row |= one_run(config, options.split) | {
                    "config": dataclasses.asdict(config) | {"preferences": "drawn from the base"}
                }
                with open(RESULTS.with_name("offline.jsonl"), "a") as rows:
                    rows.write(json.dumps(row) + "\n")
                print(
                    json.dumps({name: value for name, value in row.items() if name != "config"}), flush=True
                )


def preferences(folder: Path, prompts: list[Prompt]) -> Path:
    """The base's images, the best and the worst by the graded reward, as rows of prompt, chosen, rejected."""
    generator, ranker, rows = build.generator(published()), Shapes(), []
    for index, prompt in enumerate(prompts):
        with torch.no_grad():
            group = generator.sample(
                prompt.text, generator.noise(DRAWN, next(fixed_seeds(77, index)))
            ).group()
        names = [f"{index:03d}-{number:02d}.png" for number in range(DRAWN)]
        for name, image in zip(names, group.images, strict=True):
            image.save(folder / name)
        (ranking,) = ranker.rank([group])
        order = sorted(range(DRAWN), key=lambda i: -ranking.scores[i])
        sides = {"chosen": order[:KEPT], "rejected": order[-KEPT:]}
        rows.append(
            {"prompt": prompt.text} | {side: [names[i] for i in members] for side, members in sides.items()}
        )
    file = folder / "preferences.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def one_run(config: Config, split: Any) -> dict[str, Any]:
    """Train once and measure before and after."""
    trainer, _ = setup.trainer(config)
    generator, ranker = trainer.generator, build.ranker("shapes")
    assert isinstance(generator, OneStep)
    before = measure(generator, ranker, split)
    started = time.time()
    for _ in range(config.steps):
        trainer.step()
    seconds = time.time() - started
    with trainer.averaged():
        after = measure(generator, ranker, split)
    return summary(before, after, split) | {"seconds": round(seconds, 1)}


if __name__ == "__main__":
    main()
