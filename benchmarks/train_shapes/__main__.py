"""Trains the generator of the shapes world from nothing, in one run, and writes it into the package; one
thread, under an hour.

    python -m benchmarks.train_shapes [--out drpo/shapes/weights] [--vae-steps 4000 3000] [--steps 5500]
        [--squared 0.6] [--seed 0]

First an autoencoder of rendered scenes, then text encoder and U-Net together, by regression from (noise,
prompt) to the latent of the scene that the corpus, wrong on purpose, gives that pair; last a small masked
autoencoder of the generator's latents, the feature map ``latent_mae``. What is saved is an ordinary diffusers
pipeline in half precision, and the map beside it. ``--only-map`` trains the map alone, for a generator that
lies in ``--out``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline

from benchmarks.train_shapes.autoencoder import train_autoencoder
from benchmarks.train_shapes.generator import strict, train_generator, train_map
from benchmarks.train_shapes.networks import new_pipeline
from drpo.shapes.world import prompts


def main() -> None:
    """Train every part and save the pipeline."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train_shapes",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "drpo/shapes/weights")
    parser.add_argument(
        "--vae-steps", type=int, nargs=2, default=(4000, 3000), help="on crowded images, then on the corpus"
    )
    parser.add_argument("--steps", type=int, default=5500)
    parser.add_argument(
        "--squared",
        type=float,
        default=0.6,
        help="share of the steps that minimise squared error; the others absolute error",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only-map", action="store_true", help="train the feature map alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.only_map:
        vae = train_autoencoder(options.seed, *options.vae_steps)
        torch.manual_seed(options.seed)
        pipe = new_pipeline(vae)
        train_generator(pipe, options.steps, options.squared, options.seed)
        pipe.to(torch.float16).save_pretrained(options.out)
    pipe = StableDiffusionPipeline.from_pretrained(options.out, safety_checker=None).to("cpu", torch.float32)
    train_map(pipe, options.seed, options.out / "latent_mae.safetensors")
    print(json.dumps({"strict": strict(pipe, prompts("final"), 10)}), flush=True)


if __name__ == "__main__":
    main()
