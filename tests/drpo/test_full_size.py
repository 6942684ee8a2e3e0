"""The real architectures: without values, what their parts are called and give; and, slowly, one gradient
with values.
"""

from __future__ import annotations

import functools
import resource
import sys
import time
from collections.abc import Callable

import full_size
import pytest
import torch
from torch import Tensor

from drpo.features.latent_mae import LatentMae
from drpo.features.teacher_unet import TeacherUNet
from drpo.generators.one_step import OneStep
from drpo.types import Sample

BLOCKS = {
    "sd": 16,
    "sdxl": 70,
}  # transformer blocks, each with a self- and a cross-attention of four adapted layers


def kept(make: Callable[[], Tensor]) -> int:
    """Bytes that autograd keeps for the backward of what `make` returns, without parameters; what is saved
    twice counts twice.
    """
    sizes: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        sizes.append(0 if isinstance(tensor, torch.nn.Parameter) else tensor.nbytes)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        make()
    return sum(sizes)


@functools.cache
def valueless(family: str) -> OneStep:
    """The generator without values, in bfloat16, with checkpointing."""
    return full_size.generator(family, "meta", torch.bfloat16, checkpointing=True)


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_the_lora_sits_on_every_attention_layer_and_nowhere_else(family: str) -> None:
    made = valueless(family)
    weights = made.parameters()
    assert len(weights) == BLOCKS[family] * 2 * 4 * 2 and made.size == 512
    assert all(
        any(f".{layer}.lora_" in name for layer in ("to_q", "to_k", "to_v", "to_out.0")) for name in weights
    )
    assert {weight.dtype for weight in weights.values()} == {torch.float32}


def test_the_teachers_blocks_are_sdxls_and_give_sixteen_tokens_each() -> None:
    made = valueless("sdxl")
    found = TeacherUNet(made)(
        Sample("", torch.empty(2, 4, 64, 64, device="meta", dtype=torch.bfloat16), made.decode)
    )
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "down_blocks.2": (2, 16, 1280), "mid_block": (2, 16, 1280), "up_blocks.0": (2, 16, 1280)
    }  # fmt: skip


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_checkpointing_keeps_a_tenth_at_full_size(family: str) -> None:
    made = valueless(family)
    latents = torch.empty(1, 4, 64, 64, device="meta", dtype=torch.bfloat16, requires_grad=True)
    made.pipe.unet.disable_gradient_checkpointing()
    made.pipe.vae.disable_gradient_checkpointing()
    unet, decoder = kept(lambda: made.unet_on("", latents, 999)), kept(lambda: made.decode(latents))
    made.pipe.unet.enable_gradient_checkpointing()
    made.pipe.vae.enable_gradient_checkpointing()
    assert (
        kept(lambda: made.unet_on("", latents, 999)) < 0.1 * unet
        and kept(lambda: made.decode(latents)) < 0.2 * decoder
    )


@pytest.mark.slow
def test_one_full_size_sd_turbo_candidate_has_a_gradient_on_this_machine(
    capsys: pytest.CaptureFixture[str],
) -> None:
    torch.manual_seed(0)
    made = full_size.generator("sd", "cpu", torch.float32, checkpointing=True)
    made.pipe.vae.to("meta")  # not needed here
    features, noise = LatentMae(4, base=32, layers=(1, 1, 1, 1)), made.noise(1, 0)
    start, before = time.perf_counter(), peak()
    sample = made.sample("", noise)
    forward = time.perf_counter() - start
    sum(value.square().mean() for value in features(sample).values()).backward()  # type: ignore[union-attr]
    seconds = time.perf_counter() - start
    with torch.no_grad(), made.reference():
        assert torch.equal(made.sample("", noise).latents, sample.latents)  # a fresh LoRA changes nothing
    ends = [weight for name, weight in made.parameters().items() if ".lora_B." in name]
    assert len(ends) == 128 and all(
        weight.grad is not None and weight.grad.abs().sum() > 0 for weight in ends
    )
    with capsys.disabled():
        print(
            f"\nforward {forward:.0f} s, with backward {seconds:.0f} s; peak {peak():.1f} GiB, {before:.1f} "
            f"before"
        )


def peak() -> float:
    """The process' largest resident size so far, in GiB."""
    return (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30
    )
