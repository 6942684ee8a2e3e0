"""Feature maps on tiny random models: shapes, gradients, and the traps each of them has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_pipelines
import torch
from torch import Tensor
from transformers import Dinov2Config, Dinov2Model, ViTMAEConfig, ViTMAEModel

from drpo.features._vit import prepared
from drpo.features.dinov2 import DinoV2
from drpo.features.dinov2 import load as load_dinov2
from drpo.features.latent import Latent
from drpo.features.teacher_unet import TeacherUNet
from drpo.features.vit_mae import VitMae
from drpo.features.vit_mae import load as load_vit_mae
from drpo.generators import sd_turbo
from drpo.generators.one_step import OneStep
from drpo.types import FeatureMap, Sample
from rankkit import RankkitError


def candidates(seed: int = 0) -> Sample:
    """Three candidates whose pixels are their latents."""
    latents = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return Sample("a cat", latents.requires_grad_(), lambda latents: latents)


def vit_mae() -> VitMae:
    torch.manual_seed(0)
    return VitMae(ViTMAEModel(ViTMAEConfig(image_size=32, patch_size=8, **_tiny())), layer=2)


def dinov2() -> DinoV2:
    torch.manual_seed(0)
    return DinoV2(Dinov2Model(Dinov2Config(image_size=28, patch_size=14, **_tiny())), layer=2, size=28)


def _tiny() -> dict[str, int]:
    return {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.fixture(params=[False, True], ids=["plain", "checkpointing"])
def generator(request: pytest.FixtureRequest, tmp_path: Path) -> OneStep:
    made = sd_turbo.load(str(tiny_pipelines.sd(tmp_path)), rank=4, device="cpu", checkpointing=request.param)
    for weight in made.parameters().values():
        weight.data += 0.2
    return made


def reaches(features: FeatureMap, sample: Sample, latents: Tensor) -> bool:
    total = torch.stack([value.sum() for value in features(sample).values()]).sum()
    (gradient,) = torch.autograd.grad(total, latents)
    return bool(gradient.abs().sum() > 0)


@pytest.mark.parametrize("features", [vit_mae(), dinov2()], ids=["vit_mae", "dinov2"])
def test_image_maps_give_mean_std_and_class_token_with_a_gradient(features: FeatureMap) -> None:
    sample = candidates()
    found = features(sample)
    assert sorted(found) == ["layer2_cls", "layer2_patch_mean", "layer2_patch_std"]
    assert all(value.shape == (3, 16) for value in found.values()) and reaches(
        features, sample, sample.latents
    )


@pytest.mark.parametrize("features", [vit_mae(), dinov2(), Latent()], ids=["vit_mae", "dinov2", "latent"])
def test_equal_images_have_equal_features_at_every_call(features: FeatureMap) -> None:
    one, other = features(candidates()), features(candidates())
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("make", [vit_mae, dinov2])
def test_a_layers_tokens_are_those_that_leave_that_layer_of_transformers_model(
    make: Callable[[], Any], layer: int
) -> None:
    features, sample, left = make(), candidates(), []
    features.layer = layer
    model = features.model
    layers = model.layers if hasattr(model, "layers") else model.encoder.layer  # by version of transformers
    handle = layers[layer - 1].register_forward_hook(lambda module, inputs, output: left.append(output))
    found = features(sample)
    handle.remove()
    patches = left[0][:, 1:]
    torch.testing.assert_close(found[f"layer{layer}_patch_mean"], patches.mean(1))
    torch.testing.assert_close(found[f"layer{layer}_patch_std"], patches.std(1))
    torch.testing.assert_close(found[f"layer{layer}_cls"], left[0][:, 0])
    with torch.no_grad():  # shuffled at random by transformers, as none is hidden: the same tokens elsewhere
        size = features.model.config.image_size
        own = features.model(prepared(sample.pixels, size), output_hidden_states=True)
    tokens = own.hidden_states[layer]
    if isinstance(features, VitMae):
        restored = tokens[:, 1:].gather(1, own.ids_restore[..., None].expand_as(tokens[:, 1:]))
        tokens = torch.cat([tokens[:, :1], restored], dim=1)
        assert not own.mask.any()
    torch.testing.assert_close(tokens, left[0], atol=1e-5, rtol=1e-4)
    if layer == 2:
        torch.testing.assert_close(features.model.layernorm(own.hidden_states[2]), own.last_hidden_state)


@pytest.mark.parametrize("make", [vit_mae, dinov2])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_images_are_seen_in_float32(make: Callable[[], Any], dtype: torch.dtype) -> None:
    features = make()
    pixels = candidates().latents.detach().to(dtype).requires_grad_()
    found, full = (
        features(Sample("", pixels, lambda x: x)),
        features(Sample("", pixels.detach().float(), lambda x: x)),
    )
    assert all(
        value.dtype == torch.float32 and torch.equal(value, full[name]) for name, value in found.items()
    )
    (gradient,) = torch.autograd.grad(torch.stack([value.sum() for value in found.values()]).sum(), pixels)
    assert gradient.dtype == dtype and gradient.isfinite().all() and gradient.abs().sum() > 0


@pytest.mark.parametrize(
    ("make", "load"), [(vit_mae, load_vit_mae), (dinov2, load_dinov2)], ids=["vit_mae", "dinov2"]
)
def test_image_maps_load_in_float32_from_a_folder_whatever_it_holds_and_say_what_is_missing(
    make: Callable[[], Any], load: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make()
    made.model.bfloat16().save_pretrained(tmp_path / "model")
    assert load(None, model=str(tmp_path / "model")).model.dtype == torch.float32
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    elsewhere = "give features_model=FOLDER .*HF_HUB_OFFLINE=1"
    for model, advice in (
        ("nobody/no-such-model", elsewhere),
        (str(tmp_path / "missing"), elsewhere),
        (str(tmp_path), "found in .* give features_model= with a complete copy"),
    ):
        with pytest.raises(RankkitError, match=rf"from '{model}' .*{advice}"):
            load(None, model=model)


def test_vit_mae_sees_every_patch() -> None:
    features, sample = vit_mae(), candidates()
    seen = torch.autograd.grad(features(sample)["layer2_patch_mean"].square().sum(), sample.latents)[0]
    assert (seen.unfold(2, 8, 8).unfold(3, 8, 8).abs().sum((1, 4, 5)) > 0).all()


def test_the_teacher_is_the_base_whatever_the_adapters_learnt(generator: OneStep) -> None:
    features = TeacherUNet(generator, blocks=("down_blocks.1", "mid_block"), pool=2)
    sample = generator.sample("a cat", generator.noise(3, 0))
    sample.latents.retain_grad()
    found = features(sample)
    assert [tuple(value.shape) for value in found.values()] == [(3, 4, 16), (3, 4, 16)]
    for weight in generator.parameters().values():
        weight.data += 1
    with torch.no_grad():
        again = features(Sample("a cat", sample.latents.detach(), generator.decode))
    assert all(torch.equal(found[key], again[key]) for key in found)


def test_the_teachers_gradient_reaches_the_adapters_through_the_sample_alone(generator: OneStep) -> None:
    features = TeacherUNet(generator, blocks=("mid_block",), pool=2)
    sample = generator.sample("a cat", generator.noise(3, 0))
    through = torch.autograd.grad(features(sample)["mid_block"].sum(), sample.latents, retain_graph=True)[0]
    weights = list(generator.parameters().values())
    alone = torch.autograd.grad(generator.sample("a cat", generator.noise(3, 0)).latents, weights, through)
    both = torch.autograd.grad(
        features(generator.sample("a cat", generator.noise(3, 0)))["mid_block"].sum(), weights
    )
    for one, other in zip(alone, both, strict=True):
        torch.testing.assert_close(one, other)


def test_the_teachers_gradient_is_the_bases_also_where_checkpointing_repeats_its_pass(
    generator: OneStep,
) -> None:
    sample = generator.sample("a cat", generator.noise(3, 0))
    latents = sample.latents.detach().requires_grad_()
    found = TeacherUNet(generator, blocks=("mid_block",), pool=2)(Sample("a cat", latents, generator.decode))[
        "mid_block"
    ]
    with generator.reference():
        kept: list[Tensor] = []
        handle = generator.pipe.unet.mid_block.register_forward_hook(
            lambda module, inputs, output: kept.append(output)
        )
        generator.pipe.unet.disable_gradient_checkpointing()
        fixed = torch.randn(latents.shape[1:], generator=torch.Generator().manual_seed(0))
        generator.unet_on("a cat", latents + 0.1 * fixed, 100)
        handle.remove()
    expected = torch.nn.functional.adaptive_avg_pool2d(kept[0], 2).flatten(2).mT
    torch.testing.assert_close(found, expected)
    mine, theirs = (torch.autograd.grad(value.square().sum(), latents)[0] for value in (found, expected))
    torch.testing.assert_close(mine, theirs)


def test_the_teachers_pass_ends_at_the_last_block_it_reads(generator: OneStep) -> None:
    ran: list[str] = []
    for name in ("mid_block", "up_blocks.0", "conv_out"):
        generator.pipe.unet.get_submodule(name).register_forward_hook(lambda *_, name=name: ran.append(name))
    TeacherUNet(generator, blocks=("mid_block",), pool=2)(
        Sample("a cat", torch.zeros(1, 4, 8, 8), generator.decode)
    )
    assert ran == ["mid_block"]


def test_a_block_the_unet_lacks_is_named(generator: OneStep) -> None:
    with pytest.raises(
        RankkitError, match=r"no down_blocks.2; its blocks are down_blocks.0, down_blocks.1, .*mid_block"
    ):
        TeacherUNet(generator, blocks=("down_blocks.2",))
