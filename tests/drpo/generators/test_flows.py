"""Z-Image-Turbo and FLUX.2-klein on tiny random pipelines: a candidate is what the stock pipeline gives,
what is saved loads there, the gradient is that of the last step, and training moves it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_flows
import torch
from lora_pipelines import PROMPT, check_saved_lora, shift
from tiny_updates import MAPS, Red, trainer
from torch import Tensor

from drpo.features import teacher_unet
from drpo.generators import flux2_klein, z_image_turbo
from drpo.generators._few_steps import FewSteps
from drpo.types import ImageGenerator
from rankkit import RankkitError, UsageError

SIZE, STEPS = 16, 3
Load = Callable[..., FewSteps]
FAMILIES: dict[str, tuple[Callable[[Path], Path], Load]] = {
    "z_image": (tiny_flows.z_image, z_image_turbo.load),
    "flux2": (tiny_flows.flux2_klein, flux2_klein.load),
}


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Load]:
    write, load = FAMILIES[request.param]
    return write(tmp_path / "model"), load


def made(family: tuple[Path, Load], **options: Any) -> FewSteps:
    folder, load = family
    torch.manual_seed(0)
    given: dict[str, Any] = {"rank": 4, "image_size": SIZE, "inference_steps": STEPS, "checkpointing": False}
    return load(str(folder), **(given | options))


def stock(generator: FewSteps, folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    pipe = type(generator.pipe).from_pretrained(folder, dtype=dtype)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def drawn(pipe: Any, noise: Tensor, output_type: str = "pil", steps: int = STEPS) -> Any:
    """What a user asks for; the size is that of the noise, which only the real model's default is."""
    scale = 0.0 if "ZImage" in type(pipe).__name__ else 1.0
    return pipe(
        prompt=PROMPT, num_inference_steps=steps, guidance_scale=scale, latents=noise, height=SIZE,
        width=SIZE, num_images_per_prompt=len(noise), output_type=output_type,
    ).images  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_candidate_equals_the_stock_pipelines_to_the_bit(
    family: tuple[Path, Load], dtype: torch.dtype
) -> None:
    generator = made(family, dtype=dtype)
    pipe, noise = stock(generator, family[0], dtype), generator.noise(3, 5)
    with torch.no_grad():
        sample = generator.sample(PROMPT, noise)
    assert torch.equal(sample.latents, drawn(pipe, noise, "latent")) and sample.latents.isfinite().all()
    assert [image.tobytes() for image in sample.images()] == [image.tobytes() for image in drawn(pipe, noise)]
    assert {weight.dtype for weight in generator.parameters().values()} == {torch.float32}
    assert {image.size for image in sample.images()} == {(SIZE, SIZE)} and generator.size == SIZE


def test_the_saved_lora_changes_the_stock_pipelines_images_as_ours(
    family: tuple[Path, Load], tmp_path: Path
) -> None:
    generator = made(family)
    check_saved_lora(generator, made(family), stock(generator, family[0]), drawn, tmp_path / "run")


@pytest.mark.parametrize("steps", [1, STEPS])
def test_the_gradient_is_that_of_the_last_step_and_reaches_every_adapted_layer(
    family: tuple[Path, Load], steps: int
) -> None:
    generator, seen = made(family, inference_steps=steps), list[bool]()
    shift(generator)
    handle = generator.network.register_forward_hook(
        lambda module, inputs, output: seen.append(output[0][0].requires_grad)
    )
    generator.sample(PROMPT, generator.noise(2, 0)).latents.square().mean().backward()
    handle.remove()
    assert seen == [False] * (steps - 1) + [True] and torch.is_grad_enabled()
    assert all(
        weight.grad is not None and weight.grad.abs().sum() > 0 for weight in generator.parameters().values()
    )
    with torch.no_grad():
        assert not generator.sample(PROMPT, generator.noise(1, 0)).latents.requires_grad
        assert not torch.is_grad_enabled()


def test_every_layer_of_attention_carries_the_lora(family: tuple[Path, Load]) -> None:
    generator = made(family)
    adapted = {name.split(".lora_")[0] for name in generator.parameters()}
    ends = ("to_q", "to_k", "to_v", "to_out.0", "to_qkv_mlp_proj")
    there = {
        name
        for name, module in generator.network.named_modules()
        if name.endswith(ends) or (name.startswith("single_") and name.endswith("to_out"))
    }
    assert adapted == there and len(there) >= 6


def test_a_failure_in_a_step_leaves_gradients_as_they_were(family: tuple[Path, Load]) -> None:
    generator = made(family)

    def fail(*_: Any) -> None:
        raise RuntimeError("stopped")

    generator.network.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="stopped"):
        generator.sample(PROMPT, generator.noise(1, 0))
    assert torch.is_grad_enabled()


def test_checkpointing_changes_no_gradient(family: tuple[Path, Load]) -> None:
    gradients = []
    for on in (False, True):
        generator = made(family, checkpointing=on)
        shift(generator)
        generator.sample(PROMPT, generator.noise(2, 0)).pixels.square().mean().backward()
        gradients.append([weight.grad for weight in generator.parameters().values()])
    for mine, theirs in zip(*gradients, strict=True):
        assert mine is not None and mine.abs().sum() > 0
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("features", ["latent", "vit_mae"])
def test_two_steps_of_training_move_it(family: tuple[Path, Load], features: str) -> None:
    generator: Any = made(family, checkpointing=True)
    noise, seen = generator.noise(2, 0), list[Tensor]()
    training = trainer(generator, MAPS[features](generator), Red())
    for _ in range(2):
        assert training.step()["gradient"] > 0
        seen.append(generator.sample(PROMPT, noise).latents.detach())
    with torch.no_grad(), generator.reference():
        seen.append(generator.sample(PROMPT, noise).latents)
    assert all(not torch.equal(one, other) for one, other in zip(seen, [*seen[1:], seen[0]], strict=True))


def test_images_are_encoded_in_the_scale_of_the_latents(family: tuple[Path, Load]) -> None:
    generator: Any = made(family)
    assert isinstance(generator, ImageGenerator)
    pixels = torch.rand(2, 3, SIZE, SIZE) * 2 - 1
    vae = generator.pipe.vae
    with torch.no_grad():
        latents, own = generator.encode_pixels(pixels), vae.encode(pixels).latent_dist.mode()
        assert latents.shape == generator.sample(PROMPT, generator.noise(2, 0)).latents.shape
        torch.testing.assert_close(generator.unscaled(latents), own)
        torch.testing.assert_close(generator.decode(latents), vae.decode(own).sample)


def test_what_does_not_go_with_it_is_said(family: tuple[Path, Load], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"image_size=18 is no multiple of 4, one patch of '.*model'"):
        made(family, image_size=18)
    with pytest.raises(RankkitError, match=r"teacher_unet .* has no U-Net"):
        teacher_unet.load(made(family))


def test_a_pipeline_that_is_not_distilled_or_draws_noise_between_steps_is_refused(tmp_path: Path) -> None:
    base = tiny_flows.flux2_klein(tmp_path / "base", is_distilled=False)
    with pytest.raises(RankkitError, match=r"is not distilled to few steps .* give model= a distilled one"):
        made((base, flux2_klein.load))
    noisy = tiny_flows.z_image(tmp_path / "noisy", stochastic_sampling=True)
    with pytest.raises(RankkitError, match=r"draws noise between steps \(stochastic_sampling\)"):
        made((noisy, z_image_turbo.load))
