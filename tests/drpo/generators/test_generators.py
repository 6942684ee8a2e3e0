"""Both turbo families on tiny random pipelines: a candidate is what the stock pipeline gives, and what is
saved loads there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_pipelines
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from lora_pipelines import LOADERS, PROMPT, shift, stock
from torch import Tensor

from drpo import build
from drpo.config import Config
from drpo.features.teacher_unet import TeacherUNet
from drpo.generators import sdxl_turbo
from drpo.generators.one_step import OneStep
from rankkit import RankkitError, UsageError

Family = tuple[OneStep, Path, Callable[..., OneStep]]


@pytest.fixture(params=["sd", "sdxl"])
def family(request: pytest.FixtureRequest, tmp_path: Path) -> Family:
    load = LOADERS[request.param]
    folder: Path = getattr(tiny_pipelines, request.param)(tmp_path / "model")
    torch.manual_seed(0)
    return load(str(folder), rank=4, device="cpu", checkpointing=False), folder, load


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_candidate_equals_the_stock_pipelines_to_the_bit_in_every_precision(
    family: Family, dtype: torch.dtype
) -> None:
    _, folder, load = family
    generator = load(str(folder), rank=4, dtype=dtype)
    assert {generator.pipe.unet.dtype, generator.pipe.vae.dtype, generator.pipe.text_encoder.dtype} == {dtype}
    assert {weight.dtype for weight in generator.parameters().values()} == {torch.float32}
    shift(generator)
    noise = generator.noise(3, 5)
    latents, together = stock(generator, noise, output_type="latent"), stock(generator, noise)
    generator.pipe.vae.enable_slicing()
    theirs_alone = stock(generator, noise)
    generator.pipe.vae.disable_slicing()
    with torch.no_grad():
        sample = generator.sample(PROMPT, noise)
    assert torch.equal(sample.latents, latents) and latents.dtype == dtype
    for mine, theirs, alone in zip(sample.images(), together, theirs_alone, strict=True):
        assert mine.tobytes() == theirs.tobytes()
        assert np.abs(np.asarray(mine, int) - np.asarray(alone, int)).max() <= (
            0 if dtype == torch.float32 else 2
        )


def test_sampling_leaves_the_global_random_state_alone_though_a_scheduler_is_ancestral(
    family: Family,
) -> None:
    generator, _, _ = family
    torch.manual_seed(3)
    before, noise = torch.get_rng_state(), generator.noise(2, 0)
    one, other = (generator.sample(PROMPT, noise).latents for _ in range(2))
    assert torch.equal(one, other) and torch.equal(torch.get_rng_state(), before)
    assert "Ancestral" in type(generator.pipe.scheduler).__name__ or isinstance(
        generator.pipe, StableDiffusionPipeline
    )


def test_sdxls_autoencoder_stays_out_of_half_precision_and_stable_diffusions_does_not(family: Family) -> None:
    _, folder, load = family
    for half in (torch.float16, torch.bfloat16):
        generator = load(str(folder), rank=4, dtype=half)
        encoded = generator.encode_pixels(torch.zeros(1, 3, 16, 16))
        pixels = generator.decode(encoded)
        upcast = half == torch.float16 and isinstance(generator.pipe, StableDiffusionXLPipeline)
        assert (
            pixels.dtype == (torch.float32 if upcast else half)
            and encoded.dtype == half
            and encoded.isfinite().all()
        )


def test_latent_moments_of_an_autoencoder_are_undone_as_sdxls_pipeline_undoes_them(tmp_path: Path) -> None:
    moments = {"latents_mean": [0.5, -1.0, 2.0, 0.0], "latents_std": [2.0, 3.0, 0.5, 1.5]}
    generator = sdxl_turbo.load(str(tiny_pipelines.sdxl(tmp_path, **moments)), rank=4)
    noise = generator.noise(2, 0)
    for mine, theirs in zip(generator.sample(PROMPT, noise).images(), stock(generator, noise), strict=True):
        assert mine.tobytes() == theirs.tobytes()
    torch.testing.assert_close(generator.scaled(generator.unscaled(noise)), noise)
    assert not torch.allclose(generator.unscaled(noise), noise / generator.pipe.vae.config.scaling_factor)


def test_the_reference_is_the_base_and_the_adapters_come_back(family: Family) -> None:
    generator, _, _ = family
    noise = generator.noise(2, 0)
    with torch.no_grad():
        base = generator.sample(PROMPT, noise).latents
        shift(generator)
        moved = generator.sample(PROMPT, noise).latents
        with generator.reference():
            assert torch.equal(generator.sample(PROMPT, noise).latents, base)
            with generator.reference():
                pass
            assert torch.equal(
                generator.sample(PROMPT, noise).latents, base
            )  # the inner block does not end the outer one
        assert torch.equal(generator.sample(PROMPT, noise).latents, moved) and not torch.allclose(
            moved, base, atol=1e-3
        )


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-5), (torch.bfloat16, 0.2)])
def test_the_saved_lora_loads_into_a_fresh_stock_pipeline(
    family: Family, dtype: torch.dtype, error: float, tmp_path: Path
) -> None:
    _, folder, load = family
    generator = load(str(folder), rank=4, dtype=dtype)
    shift(generator)
    generator.save(tmp_path)
    noise = generator.noise(2, 0)
    fresh = type(generator.pipe).from_pretrained(folder, dtype=dtype)
    fresh.load_lora_weights(str(tmp_path))
    with torch.no_grad():
        want = generator.sample(PROMPT, noise).latents
        got = fresh(
            [PROMPT] * 2, num_inference_steps=1, guidance_scale=0.0, latents=noise, output_type="latent"
        ).images
    torch.testing.assert_close(
        got, want, atol=error, rtol=error
    )  # in half precision diffusers rounds the LoRA as well
    again = load(str(folder), rank=4, dtype=dtype)
    again.load(tmp_path)
    with torch.no_grad():
        assert torch.equal(again.sample(PROMPT, noise).latents, want)


def test_only_the_lora_has_gradients_and_checkpointing_changes_none_of_them(family: Family) -> None:
    plain, folder, load = family
    checkpointed = load(str(folder), rank=4, device="cpu", checkpointing=True)
    shift(plain)
    for mine, theirs in zip(checkpointed.parameters().values(), plain.parameters().values(), strict=True):
        mine.data.copy_(theirs)
    for generator in (plain, checkpointed):
        generator.sample(PROMPT, generator.noise(2, 0)).pixels.square().mean().backward()
        assert all(
            weight.grad is not None and weight.grad.abs().sum() > 0
            for weight in generator.parameters().values()
        )
        trained = {id(weight) for weight in generator.parameters().values()}
        assert all(
            weight.grad is None for weight in generator.pipe.unet.parameters() if id(weight) not in trained
        )
    for mine, theirs in zip(checkpointed.parameters().values(), plain.parameters().values(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


def costs(generator: OneStep, make: Callable[[], Tensor]) -> tuple[int, int, float]:
    """Forward passes of one residual block in `make` and in its backward, and the bytes autograd keeps in
    between.
    """
    ran, kept = [0], [0]

    def keep(tensor: Tensor) -> Tensor:
        kept[0] += tensor.nbytes
        return tensor

    block = generator.pipe.unet.up_blocks[0].resnets[0]
    handle = block.register_forward_pre_hook(lambda *_: ran.append(ran.pop() + 1))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        total = make()
    forward = ran[0]
    total.backward()
    handle.remove()
    return forward, ran[0] - forward, float(kept[0])


@pytest.mark.parametrize("through", ["latents", "teacher"])
def test_checkpointing_repeats_blocks_in_backward_and_keeps_far_less_in_between(
    family: Family, through: str
) -> None:
    _, folder, load = family
    seen = {}
    for on in (False, True):
        generator = load(str(folder), rank=4, checkpointing=on)
        noise, passes = generator.noise(4, 0), 1 if through == "latents" else 2

        def make(generator: OneStep = generator, noise: Tensor = noise) -> Tensor:
            sample = generator.sample(PROMPT, noise)
            if through == "latents":
                return sample.latents.square().mean()
            return (
                TeacherUNet(generator, blocks=("mid_block", "up_blocks.0"), pool=2)(sample)["up_blocks.0"]
                .square()
                .mean()
            )

        forward, backward, seen[on] = costs(generator, make)
        assert (forward, backward) == (passes, passes if on else 0)
        assert all(
            weight.requires_grad and weight.grad is not None for weight in generator.parameters().values()
        )
    assert seen[True] < 0.4 * seen[False]


def test_checkpointing_repeats_the_decoder_too(family: Family) -> None:
    _, folder, load = family
    kept = {}
    for on in (False, True):
        generator = load(str(folder), rank=4, checkpointing=on)
        latents = generator.noise(4, 0).requires_grad_()
        _, _, kept[on] = costs(
            generator, lambda generator=generator, latents=latents: generator.decode(latents).square().mean()
        )
    assert kept[True] < 0.5 * kept[False]


def test_a_prompt_is_encoded_once(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    generator, _, _ = family
    asked: list[str] = []
    encode = generator.encode

    def counted(prompt: str) -> Mapping[str, Any]:
        asked.append(prompt)
        return encode(prompt)

    monkeypatch.setattr(generator, "encode", counted)
    for prompt in (PROMPT, "a dog", PROMPT):
        generator.sample(prompt, generator.noise(1, 0))
    assert asked == [PROMPT, "a dog"]


def test_a_folder_with_half_precision_files_alone_loads(family: Family, tmp_path: Path) -> None:
    generator, folder, load = family
    whole = type(generator.pipe).from_pretrained(folder)
    whole.save_pretrained(tmp_path / "half", variant="fp16")
    assert not (tmp_path / "half" / "unet" / "diffusion_pytorch_model.safetensors").exists()
    found = load(str(tmp_path / "half"), rank=4)
    noise = found.noise(2, 0)
    with torch.no_grad(), found.reference(), generator.reference():
        assert torch.equal(found.sample(PROMPT, noise).latents, generator.sample(PROMPT, noise).latents)
    whole.vae.save_pretrained(tmp_path / "half" / "vae")  # one part whole, the others half
    (tmp_path / "half" / "vae" / "diffusion_pytorch_model.fp16.safetensors").unlink()
    load(str(tmp_path / "half"), rank=4)


@pytest.mark.parametrize("name", ["sd", "sdxl"])
def test_a_model_that_cannot_be_had_is_one_message_with_the_way_out(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    elsewhere = "give model=FOLDER .*HF_HUB_OFFLINE=1"
    for model, where, way_out in (
        ("nobody/no-such-model", "no folder here", elsewhere),
        (str(tmp_path / "missing"), "no folder here", elsewhere),
        (str(tmp_path), "a folder here", "give model= with a complete copy"),
    ):
        with pytest.raises(RankkitError, match=rf"from '{model}' \({where}.*{way_out}"):
            LOADERS[name](model)


def test_what_families_share_is_no_family() -> None:
    known = r"unknown generator 'one_step' .*there are flux2_klein, sana_sprint, sd_turbo,"
    with pytest.raises(UsageError, match=known):
        build.generator(Config(generator="one_step", ranker="", prompts=""))


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_precision_is_that_of_the_frozen_weights(precision: str, dtype: torch.dtype, tmp_path: Path) -> None:
    folder = str(tiny_pipelines.sd(tmp_path))
    config: Any = {
        "generator": "sd_turbo",
        "ranker": "",
        "prompts": "",
        "model": folder,
        "precision": precision,
    }
    made: Any = build.generator(Config(**config))
    assert made.pipe.unet.dtype == dtype and not made.pipe.unet.is_gradient_checkpointing
