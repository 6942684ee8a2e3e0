"""On a GPU: candidates are the stock pipelines', each precision trains, a stopped run goes on as it would
have, and full memory.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from lora_pipelines import LOADERS, PROMPT, shift, stock
from tiny_pipelines import sd, sdxl
from tiny_updates import MAPS, half_precision_goes_where_float32_goes

from drpo import build
from drpo.config import Config
from drpo.recipes import recipe
from drpo.run import setup
from rankkit import RankkitError

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")
TINY = {"sd": sd, "sdxl": sdxl}
SHAPES = dataclasses.replace(
    recipe("shapes"),
    group_size=8,
    anchors=2,
    prompts_per_step=2,
    steps=4,
    checkpoint_every=2,
    precision="fp32",
)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_a_candidate_equals_the_stock_pipelines_up_to_rounding_on_a_gpu(
    family: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    generator = LOADERS[family](str(TINY[family](tmp_path)), rank=4, device="cuda", dtype=dtype)
    shift(generator)
    noise = generator.noise(3, 5)
    latents, images = stock(generator, noise, output_type="latent").float(), stock(generator, noise)
    with torch.no_grad():
        sample = generator.sample(PROMPT, noise)
    apart = (
        sample.latents.float() - latents
    ).abs().max() / latents.std()  # kernels differ by how conditions lie in memory
    assert apart < {torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 1e-1}[dtype]
    levels = [
        np.abs(np.asarray(mine, int) - np.asarray(theirs, int)).mean()
        for mine, theirs in zip(sample.images(), images, strict=True)
    ]
    assert max(levels) < 2


@pytest.mark.parametrize("features", sorted(MAPS))
@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_updates_in_half_precision_go_where_those_in_float32_go_on_a_gpu(
    family: str, features: str, tmp_path: Path
) -> None:
    half_precision_goes_where_float32_goes(family, features, tmp_path, "cuda")


def test_the_same_noise_gives_the_same_image_on_a_gpu_as_on_the_cpu() -> None:
    from drpo.generators import shapes

    pixels = []
    for device in ("cpu", "cuda"):
        generator = shapes.load(device=device)
        with torch.no_grad():
            pixels.append(generator.sample("a photo of a red circle", generator.noise(4, 7)).pixels.cpu())
    assert (
        pixels[0] - pixels[1]
    ).abs().max() < 0.05  # of a range of 2: convolutions are TF32 unless told otherwise


def test_a_run_that_was_stopped_goes_on_as_one_that_was_not_on_a_gpu() -> None:
    whole = _trainer(SHAPES)
    for _ in range(4):
        whole.step()
    first = _trainer(SHAPES)
    for _ in range(2):
        first.step()
    second = _trainer(SHAPES)
    second.restore(first.state())
    for _ in range(2):
        second.step()
    for mine, theirs in zip(second.weights, whole.weights, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


def test_candidates_that_do_not_fit_the_gpu_are_one_message_with_what_to_change() -> None:
    made = _trainer(dataclasses.replace(SHAPES, group_size=4096))
    torch.cuda.empty_cache()
    share = (torch.cuda.memory_reserved() + 2**27) / torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(share)
    try:
        with pytest.raises(
            RankkitError, match=r"no memory is left on cuda:0 for 4096 candidates of .*: lower group_size="
        ):
            made.step()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def _trainer(config: Config) -> build.Trainer:
    torch.manual_seed(config.seed)
    return setup.trainer(config)[0]
