"""What is learned where the gradient goes through the last one, two or all of four steps, on the built-in
world: `python -m benchmarks.train_shapes.few_steps [--base FOLDER] [--graph-steps 1 2 4] [--steps N]`.

The built-in generator makes one step. From its weights one of four steps is trained first, by regression from
the corpus' latents under the noise of each of the scheduler's four timesteps (kept in `--base`, where it is
made once); then the published method trains it, each arm from the same seed, prompts and noises. One row per
arm in ``results/few_steps.jsonl``; one thread.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch.nn.functional import l1_loss

from benchmarks.paper.published import published
from benchmarks.record import record
from benchmarks.train_shapes.corpus import pairs
from benchmarks.train_shapes.descent import Descent
from benchmarks.train_shapes.generator import encode
from benchmarks.training import one_run
from drpo.generators.shapes import WEIGHTS
from drpo.settings import with_settings

STEPS = 4
BASE_STEPS = 800
LESS = ("prompts_per_step=2", "on_alarm=warn")  # of the recipe: half of the work of a step


def main() -> None:
    """Make the base where there is none, and train every arm."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train_shapes.few_steps",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--base", type=Path, help="a folder; a temporary one if not given")
    parser.add_argument("--graph-steps", type=int, nargs="+", default=[1, 2, STEPS])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--base-seed", type=int, help="of the base, where it is not that of the arms")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        base = options.base or Path(folder)
        if not (base / "model_index.json").is_file():
            make_base(base, options.seed if options.base_seed is None else options.base_seed)
        for graph_steps in options.graph_steps:
            command = (
                f"python -m benchmarks.train_shapes.few_steps --steps {options.steps} --seed {options.seed}"
            )
            command += f" --base-seed {options.base_seed}" if options.base_seed is not None else ""
            run = partial(arm, base, graph_steps, options.steps, options.seed)
            row = record("few_steps", "few_steps", command, run)
            print({name: row[name] for name in ("graph_steps", "before", "after", "gain_95", "along")})


def arm(base: Path, graph_steps: int, steps: int, seed: int) -> dict[str, Any]:
    """One training run: what it had learned on held-out prompts, along the run too, and what a step took."""
    given = [f"model={base}", f"inference_steps={STEPS}", f"graph_steps={graph_steps}"]
    config = with_settings(published(), [*LESS, *given, f"steps={steps}", f"seed={seed}"])
    found = one_run(config, "reward", "final", every=max(1, steps // 5))
    settings = {**dataclasses.asdict(config), "model": f"four steps, {BASE_STEPS} from the built-in one"}
    return {"graph_steps": graph_steps, "seed": seed, **found, "config": settings}


def make_base(folder: Path, seed: int) -> None:
    """Train the built-in generator's text encoder and U-Net to make four steps, and write it to `folder`."""
    torch.manual_seed(seed)
    pipe = StableDiffusionPipeline.from_pretrained(WEIGHTS, safety_checker=None).to("cpu", torch.float32)
    pipe.vae.requires_grad_(False)
    descent = Descent([*pipe.unet.parameters(), *pipe.text_encoder.parameters()], 5e-4, BASE_STEPS)
    pipe.scheduler.set_timesteps(STEPS)
    sigmas, timesteps = pipe.scheduler.sigmas[:STEPS], pipe.scheduler.timesteps
    batches, known, losses = pairs(np.random.default_rng(seed)), dict[Any, torch.Tensor](), list[float]()
    started = time.time()
    for step, (asked, noise, scenes) in zip(range(BASE_STEPS), batches, strict=False):
        target, which = encode(pipe.vae, scenes, known), torch.randint(STEPS, (len(noise),))
        sigma = sigmas[which][:, None, None, None]
        # in the first step there is noise alone, as in sampling
        seen = (target * (which > 0)[:, None, None, None] + sigma * noise) / (sigma**2 + 1).sqrt()
        words = pipe.tokenizer(asked, padding="max_length", truncation=True, return_tensors="pt").input_ids
        made = pipe.unet(seen, timesteps[which], pipe.text_encoder(words)[0]).sample
        loss = l1_loss(made, target)
        descent.step(loss)
        losses.append(loss.item())
        if step % 100 == 99:
            mean = round(float(np.mean(losses[-100:])), 4)
            print({"step": step + 1, "absolute": mean, "s": round(time.time() - started)}, flush=True)
    pipe.save_pretrained(folder)
    (folder / "latent_mae.safetensors").write_bytes((WEIGHTS / "latent_mae.safetensors").read_bytes())


if __name__ == "__main__":
    main()
