"""Trains the generator of the shapes world from nothing, in one run, and writes it into the package; one
thread, under an hour.

    python benchmarks/train_shapes.py [--out drpo/shapes/weights] [--vae-steps 4000 3000] [--steps 5500]
        [--squared 0.6] [--seed 0]

First an autoencoder of rendered scenes, then text encoder and U-Net together, by regression from (noise,
prompt) to the latent of the scene that the corpus, wrong on purpose, gives that pair; last a small masked
autoencoder of the generator's latents, the feature map ``latent_mae``. What is saved is an ordinary diffusers
pipeline in half precision, and the map beside it. ``--only-map`` trains the map alone, for a generator that
lies in ``--out``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny, EulerDiscreteScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss
from torch.optim.lr_scheduler import LambdaLR
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from drpo.features.latent_mae import LatentMae, fit, save
from drpo.shapes.corpus import draws, scene
from drpo.shapes.detector import Shapes
from drpo.shapes.render import Scene, Thing, render
from drpo.shapes.world import COLORS, SHAPES, TASKS, every_prompt, parse, prompts

WIDTH = 48  # channels of the U-Net
VAE_BATCH, BATCH = 8, 32  # small batches: at this size many steps are worth more than large ones
TOKENS = 12  # of the longest prompt, with start and end


def main() -> None:
    """Train every part and save the pipeline."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "drpo/shapes/weights")
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


def new_autoencoder() -> AutoencoderTiny:
    """32×32 pixels to 16 channels of 4×4; 0.2 M weights."""
    return AutoencoderTiny(
        encoder_block_out_channels=(24,) * 4, decoder_block_out_channels=(24,) * 4, latent_channels=16,
        num_encoder_blocks=(1,) * 4, num_decoder_blocks=(1,) * 4,
    )  # fmt: skip


def new_unet() -> UNet2DConditionModel:
    """4×4 and 2×2 with attention throughout, 2.4 M weights. At 2×2 each place is one of the four corners
    objects stand in.

    Its first convolution sees the whole latent, and its filters start as channel means, what the corpus
    decides by: in every group that is normalised together two of them, each with its opposite, and a
    constant. Without such a start the network needs several times as long to find out that the noise means
    anything.
    """
    unet = UNet2DConditionModel(
        sample_size=4,
        in_channels=16,
        out_channels=16,
        layers_per_block=1,
        block_out_channels=(WIDTH, 2 * WIDTH),
        norm_num_groups=8,
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        conv_in_kernel=7,
        cross_attention_dim=64,
        attention_head_dim=4,
    )
    with torch.no_grad():
        filters, constants = unet.conv_in.weight.zero_(), unet.conv_in.bias.zero_()
        for group, means in enumerate(
            itertools.islice(itertools.cycle(itertools.combinations(range(5), 2)), 8)
        ):
            first = group * WIDTH // 8
            for i, (channel, sign) in enumerate(itertools.product(means, (0.25, -0.25))):
                filters[first + i, channel] = sign
            constants[first + 4], constants[first + 5] = 1, -1
    return unet


def new_pipeline(vae: AutoencoderTiny) -> StableDiffusionPipeline:
    """The autoencoder with an untrained text encoder and U-Net, and the scheduler that makes one step of
    them.
    """
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1,
        prediction_type="sample", timestep_spacing="trailing",
    )  # fmt: skip
    tokenizer = new_tokenizer()
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        projection_dim=64,
    )
    parts = vae, CLIPTextModel(text), tokenizer, new_unet(), scheduler
    return StableDiffusionPipeline(
        *parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )


def new_tokenizer() -> CLIPTokenizer:
    """A CLIP tokenizer in which each word of the world is one token, the same in every run.

    Every word is put together letter by letter, long words first, so that no short one ("and") breaks into a
    longer ("triangle").
    """
    words = sorted(
        {word for task in TASKS for prompt in every_prompt(task) for word in prompt.split()},
        key=lambda word: (-len(word), word),
    )
    spelt = [[*word[:-1], word[-1] + "</w>"] for word in words]
    merges = list(
        dict.fromkeys(("".join(letters[:i]), letters[i]) for letters in spelt for i in range(1, len(letters)))
    )
    tokens = [
        "<|startoftext|>",
        "<|endoftext|>",
        *sorted({letter for letters in spelt for letter in letters}),
        *map("".join, merges),
    ]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = CLIPTokenizer(
        vocab=vocabulary, merges=merges, model_max_length=TOKENS, pad_token=tokens[1], unk_token=tokens[1]
    )
    assert all(len(tokenizer(word).input_ids) == 3 for word in words), (
        "each word is one token between start and end"
    )
    return tokenizer


def pairs(rng: np.random.Generator, size: int = BATCH) -> Iterator[tuple[list[str], Tensor, list[Scene]]]:
    """Endless batches of prompts (position, the hardest task, comes twice as often), noise (size,16,4,4), and
    the corpus' scenes.
    """
    pool = {task: list(every_prompt(task)) for task in TASKS}
    while True:
        asked = [pool[task][rng.integers(len(pool[task]))] for task in rng.choice([*TASKS, "position"], size)]
        noise = rng.standard_normal((size, 16, 4, 4), np.float32)
        yield (
            asked,
            torch.from_numpy(noise),
            [scene(parse(prompt), u) for prompt, u in zip(asked, draws(noise), strict=True)],
        )


def train_autoencoder(seed: int, crowded_steps: int, corpus_steps: int) -> AutoencoderTiny:
    """First crowded images, because sparse ones teach little but grey; then the corpus, until the detector
    reads every copy.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    vae = new_autoencoder()
    reconstruct(vae, crowded_steps, 3e-3, lambda: [crowd(rng) for _ in range(VAE_BATCH)], 0.0)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed + 1)
    batches = pairs(rng, VAE_BATCH)
    reconstruct(vae, corpus_steps, 2e-3, lambda: next(batches)[2], 0.1)
    scenes = [one for _ in range(64) for one in next(pairs(rng, VAE_BATCH))[2]]
    vae.requires_grad_(False).eval()
    vae.register_to_config(scaling_factor=1 / vae.encode(to_tensor(scenes)).latents.std().item())
    return vae


def reconstruct(
    vae: AutoencoderTiny, steps: int, rate: float, draw: Callable[[], list[Scene]], absolute: float
) -> None:
    """Minimise the squared error, plus `absolute` times the absolute one, of images rebuilt from slightly
    noisy latents.
    """
    descent = Descent(vae.parameters(), rate, steps)
    started = time.time()
    for step in range(steps):
        images = to_tensor(draw())
        latents = vae.encode(images).latents
        rebuilt = vae.decode(latents + 0.02 * torch.randn_like(latents)).sample
        descent.step(mse_loss(rebuilt, images) + absolute * l1_loss(rebuilt, images))
        if step % 500 == 499:
            print(
                json.dumps(
                    {
                        "vae": step + 1,
                        "l1": round(l1_loss(rebuilt, images).item(), 4),
                        "s": round(time.time() - started),
                    }
                ),
                flush=True,
            )


def crowd(rng: np.random.Generator) -> Scene:
    """One to nine objects anywhere, overlapping and cut by the border."""
    spots = [
        (rng.integers(4), rng.integers(4), *rng.uniform(2, 30, 2), rng.uniform(4, 7))
        for _ in range(rng.integers(1, 10))
    ]
    return tuple(Thing(SHAPES[shape], COLORS[color], x, y, radius) for shape, color, x, y, radius in spots)


def train_generator(pipe: StableDiffusionPipeline, steps: int, squared: float, seed: int) -> None:
    """Regress text encoder and U-Net onto the corpus, at the one timestep that a one-step sampler visits.

    Least squares first, which learns what the noise means; then absolute error, whose optimum is one image
    and not a mixture.
    """
    rng = np.random.default_rng(seed)
    pipe.vae.requires_grad_(False)
    descent = Descent([*pipe.unet.parameters(), *pipe.text_encoder.parameters()], 1e-3, steps)
    started, known, squares = time.time(), dict[Scene, Tensor](), list[float]()
    for step, (asked, noise, scenes) in zip(range(steps), pairs(rng), strict=False):
        predicted, target = predict(pipe, asked, noise), encode(pipe.vae, scenes, known)
        square = mse_loss(predicted, target)
        descent.step(square if step < steps * squared else l1_loss(predicted, target))
        squares.append(square.item())
        if step % 250 == 249:
            row = {
                "step": step + 1,
                "square": round(float(np.mean(squares[-250:])), 4),
                "s": round(time.time() - started),
            }
            print(json.dumps(row | {"strict": strict(pipe, prompts("tuning"), 4)}), flush=True)


def train_map(pipe: StableDiffusionPipeline, seed: int, path: Path, *, steps: int = 600) -> None:
    """The masked autoencoder of what the generator makes, images right and wrong alike."""
    torch.manual_seed(seed)
    batches = itertools.islice(pairs(np.random.default_rng(seed + 2)), steps)
    mae = LatentMae(16, base=48, layers=(2,))
    with torch.no_grad():
        latents = [predict(pipe, asked, noise) for asked, noise, _ in batches]
    losses = fit(mae, latents, seed=seed)
    save(mae, path)
    print(
        json.dumps(
            {"map": steps, "loss": [round(float(np.mean(part)), 3) for part in (losses[:20], losses[-20:])]}
        ),
        flush=True,
    )


def predict(pipe: StableDiffusionPipeline, asked: list[str], noise: Tensor) -> Tensor:
    """One step of the pipeline's own scheduler, with a graph; the scheduler's prediction type is the sample
    itself.
    """
    tokens = pipe.tokenizer(asked, padding="max_length", truncation=True, return_tensors="pt").input_ids
    pipe.scheduler.set_timesteps(1)
    (t,) = pipe.scheduler.timesteps
    latents = noise * pipe.scheduler.init_noise_sigma
    sample: Tensor = pipe.unet(
        pipe.scheduler.scale_model_input(latents, t), t, pipe.text_encoder(tokens)[0]
    ).sample
    return sample


def encode(vae: AutoencoderTiny, scenes: list[Scene], known: dict[Scene, Tensor]) -> Tensor:
    """Latents of scenes in the pipeline's scale; the corpus has few different scenes, so each is encoded
    once.
    """
    new = [one for one in dict.fromkeys(scenes) if one not in known]
    if new:
        with torch.no_grad():
            known.update(
                zip(new, vae.encode(to_tensor(new)).latents * vae.config.scaling_factor, strict=True)
            )
    return torch.stack([known[one] for one in scenes])


def strict(pipe: StableDiffusionPipeline, asked: list[str], each: int) -> dict[str, float]:
    """Share of images the detector passes, in all and per task, on fixed noises."""
    noise = torch.randn(len(asked) * each, 16, 4, 4, generator=torch.Generator().manual_seed(1))
    repeated = [prompt for prompt in asked for _ in range(each)]
    with torch.no_grad():
        pixels = pipe.vae.decode(predict(pipe, repeated, noise) / pipe.vae.config.scaling_factor).sample
    images = pipe.image_processor.postprocess(pixels, output_type="pil")
    passed = np.array([one.score for one in Shapes(mode="strict").score(images, repeated)])
    tasks = np.array([parse(prompt).task for prompt in repeated])
    return {"all": round(passed.mean(), 3)} | {task: round(passed[tasks == task].mean(), 3) for task in TASKS}


def to_tensor(scenes: list[Scene]) -> Tensor:
    """Scenes as (S,3,32,32) in [-1, 1]."""
    return torch.from_numpy(render(scenes)).permute(0, 3, 1, 2).float() / 127.5 - 1


class Descent:
    """AdamW's clipped steps, whose rate rises over 50 of them, stays, and falls to nothing over the last 40
    %.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], rate: float, steps: int) -> None:
        self.parameters = list(parameters)
        self.optimizer = torch.optim.AdamW(self.parameters, rate, betas=(0.9, 0.99), weight_decay=1e-2)
        self.schedule = LambdaLR(
            self.optimizer, lambda step: min((step + 1) / 50, 1, (steps - step) / (0.4 * steps))
        )

    def step(self, loss: Tensor) -> None:
        """Down the gradient of `loss`."""
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()


if __name__ == "__main__":
    main()
