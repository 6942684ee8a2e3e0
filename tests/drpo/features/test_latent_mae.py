"""The latent MAE: it learns, is saved whole, and reads the authors' weights to the same features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, group_norm, relu

from drpo.features import _resnet_weights
from drpo.features.latent_mae import LatentMae, fit, load, save
from drpo.types import Sample
from rankkit import RankkitError

BASE, LAYERS = 8, (1, 2, 2, 1)


def seen(latents: Tensor) -> Sample:
    return Sample("", latents, lambda latents: latents)


def ramps(count: int, channels: int, side: int) -> Tensor:
    """Latents of four patterns at random strengths: what is hidden follows from what is not."""
    ramp = torch.linspace(-1, 1, side).expand(side, side)
    patterns = torch.stack([ramp, ramp.mT, ramp.flip(1), ramp.mT.flip(0)])
    strengths = torch.randn(count, channels, 4, generator=torch.Generator().manual_seed(0))
    return torch.einsum("kcp,phw->kchw", strengths, patterns) / 2


def theirs(seed: int = 0) -> dict[str, Tensor]:
    """Random weights of an encoder by the authors' names, flax layout, with a decoder and a classifier that
    nobody asked for.
    """
    rng = torch.Generator().manual_seed(seed)
    weights: dict[str, Tensor] = {}

    def conv(name: str, size: int, before: int, width: int) -> None:
        weights[f"{name}.kernel"] = torch.randn(size, size, before, width, generator=rng) / (
            size * before**0.5
        )

    def norm(name: str, width: int) -> None:
        weights[f"{name}.scale"] = 1 + 0.1 * torch.randn(width, generator=rng)
        weights[f"{name}.bias"] = 0.1 * torch.randn(width, generator=rng)

    conv("encoder.conv1", 3, 4, BASE)
    norm("encoder.gn1", BASE)
    before = BASE
    for stage, blocks in enumerate(LAYERS):
        width = BASE * 2**stage
        for block in range(blocks):
            name = f"encoder.stages_{stage}.layers_{block}"
            conv(f"{name}.conv1", 3, before, width)
            conv(f"{name}.conv2", 3, width, width)
            for each in ("gn1", "gn2"):
                norm(f"{name}.{each}", width)
            if before != width:
                conv(f"{name}.proj_conv", 1, before, width)
                norm(f"{name}.proj_gn", width)
            before = width
        norm(f"encoder.layer{stage + 1}_norm", width)
    conv("decoder.head", 1, BASE, 4)
    weights["fc.kernel"] = torch.zeros(before, 10)
    return weights


def last_stage(weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """The authors' forward pass written out on their own names (arXiv 2602.04770): the oracle of the
    key map.
    """

    def conv(name: str, x: Tensor, stride: int = 1) -> Tensor:
        kernel = weights[f"encoder.{name}.kernel"].permute(3, 2, 0, 1)
        return conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)

    def norm(name: str, x: Tensor) -> Tensor:
        return group_norm(
            x, min(32, x.shape[1]), weights[f"encoder.{name}.scale"], weights[f"encoder.{name}.bias"], 1e-6
        )

    x = relu(norm("gn1", conv("conv1", x)))
    for stage, blocks in enumerate(LAYERS):
        for block in range(blocks):
            name, stride = f"stages_{stage}.layers_{block}", 2 if stage and not block else 1
            y = relu(norm(f"{name}.gn1", conv(f"{name}.conv1", x, stride)))
            y = norm(f"{name}.gn2", conv(f"{name}.conv2", y))
            shortcut = (
                norm(f"{name}.proj_gn", conv(f"{name}.proj_conv", x, stride)) if y.shape != x.shape else x
            )
            x = relu(shortcut + y)
        x = norm(f"layer{stage + 1}_norm", x)
    return x


def nested(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """As flax packs a tree: dictionaries, and arrays as extension 1 of (shape, dtype, bytes)."""
    msgpack = pytest.importorskip("msgpack")
    tree: dict[str, Any] = {}
    for name, value in weights.items():
        *path, last = name.split(".")
        at = tree
        for part in path:
            at = at.setdefault(part, {})
        at[last] = msgpack.ExtType(
            1, msgpack.packb((tuple(value.shape), "float32", value.contiguous().numpy().tobytes()))
        )
    return tree


@pytest.mark.parametrize("form", ["msgpack", "pth", "ours"])
def test_the_authors_weights_give_the_authors_features(form: str, tmp_path: Path) -> None:
    weights, latents = theirs(), torch.randn(3, 4, 32, 32, generator=torch.Generator().manual_seed(1))
    path = tmp_path / f"mae.{form if form != 'ours' else 'safetensors'}"
    if form == "msgpack":
        path.write_bytes(pytest.importorskip("msgpack").packb(nested(weights)))
    elif form == "pth":
        torch.save({"state_dict": weights, "metadata": {"model_config": {"layers": list(LAYERS)}}}, path)
    else:
        from safetensors.torch import save_file

        save_file(
            {name: value.contiguous() for name, value in _resnet_weights.translated(weights).items()}, path
        )
    found, last = load(None, model=str(path))(seen(latents)), last_stage(weights, latents)
    torch.testing.assert_close(found["mean"], last.mean((2, 3)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found["std"], last.std((2, 3), correction=0), atol=1e-4, rtol=1e-3)
    corner = last[:, :, :2, 2:]
    torch.testing.assert_close(found["mean_2"][:, 1], corner.mean((2, 3)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found["std_2"][:, 1], corner.std((2, 3), correction=0), atol=1e-3, rtol=1e-3)


def test_the_published_size_has_mean_and_std_of_the_last_stage_and_of_its_patches() -> None:
    with torch.device("meta"):
        found = LatentMae()(seen(torch.empty(2, 4, 64, 64)))
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "mean": (2, 2048),
        "std": (2, 2048),
        "mean_2": (2, 16, 2048),
        "std_2": (2, 16, 2048),
        "mean_4": (2, 4, 2048),
        "std_4": (2, 4, 2048),
    }


def test_a_latent_mae_learns_to_restore_and_loads_as_saved(tmp_path: Path) -> None:
    torch.manual_seed(0)
    mae, latents = LatentMae(16, base=32, layers=(2,)), ramps(32, 16, 4)
    losses = fit(mae, [latents] * 150, rate=3e-3, cell=1)
    assert sum(losses[-10:]) < 0.3 * sum(losses[:5])
    save(mae, tmp_path / "mae.safetensors")
    assert (tmp_path / "mae.safetensors").stat().st_size < 200_000
    found = load(None, model=str(tmp_path / "mae.safetensors"))(seen(latents))
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "mean": (32, 32), "std": (32, 32), "mean_2": (32, 4, 32), "std_2": (32, 4, 32)
    }  # fmt: skip
    for name, value in mae(seen(latents)).items():
        torch.testing.assert_close(found[name], value, atol=3e-2, rtol=3e-2)


def test_fitting_is_repeatable_and_leaves_the_random_state_alone() -> None:
    runs = []
    for _ in range(2):
        torch.manual_seed(7)
        mae, before = LatentMae(4, base=8, layers=(1, 1)), torch.get_rng_state()
        runs.append(fit(mae, [ramps(4, 4, 8)] * 3))
        assert torch.equal(torch.get_rng_state(), before) and not any(
            weight.requires_grad for weight in mae.parameters()
        )
    assert runs[0] == runs[1]


def test_half_precision_latents_are_seen_in_float32() -> None:
    torch.manual_seed(0)
    mae, latents = LatentMae(4, base=8, layers=(1, 1)), ramps(2, 4, 8).bfloat16().requires_grad_()
    found = mae(seen(latents))
    assert all(value.dtype == torch.float32 for value in found.values())
    (gradient,) = torch.autograd.grad(sum(value.sum() for value in found.values()), latents)
    assert gradient.dtype == torch.bfloat16 and gradient.isfinite().all() and gradient.abs().sum() > 0


def test_a_flat_latent_has_a_finite_gradient() -> None:
    latents = torch.zeros(2, 4, 16, 16, requires_grad=True)
    found = LatentMae(4, base=8, layers=(1, 1))(seen(latents))
    assert torch.autograd.grad(sum(value.sum() for value in found.values()), latents)[0].isfinite().all()


class Generator:
    """What `load` asks a generator about."""

    def __init__(self, channels: int) -> None:
        self.network = self.config = self
        self.in_channels = channels


def test_weights_that_are_missing_or_do_not_fit_are_said(tmp_path: Path) -> None:
    with pytest.raises(
        RankkitError, match=r"none are named; .*mae_latent_256.*train them with drpo.features.latent_mae.fit"
    ):
        load(None)
    with pytest.raises(RankkitError, match=r"'/no/such' is no file; give features_model=FILE"):
        load(None, model="/no/such")
    save(LatentMae(16, base=8, layers=(1,)), tmp_path / "mae.safetensors")
    with pytest.raises(RankkitError, match=r"latents of 16 channels; this generator's have 4"):
        load(Generator(4), model=str(tmp_path / "mae.safetensors"))
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(RankkitError, match=r"holds no ResNet MAE.*\['weight'\]"):
        load(None, model=str(tmp_path / "other.pth"))
    (tmp_path / "broken.msgpack").write_bytes(b"no weights")
    with pytest.raises(RankkitError, match=r"broken.msgpack cannot be read"):
        load(None, model=str(tmp_path / "broken.msgpack"))
    weights = theirs()
    del weights["encoder.gn1.bias"]
    torch.save(weights, tmp_path / "partial.pth")
    with pytest.raises(RankkitError, match=r"does not fit .*gn1.bias"):
        load(None, model=str(tmp_path / "partial.pth"))


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth", "a.msgpack"])
@pytest.mark.parametrize("content", [b"", b"no weights", b"\x80\x05"])
def test_a_damaged_file_of_any_kind_is_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RankkitError, match=rf"{name} cannot be read as the weights of a ResNet MAE: \S"):
        load(None, model=str(tmp_path / name))


@pytest.mark.parametrize("kernel", [torch.zeros(3), torch.zeros(0, 4, 3, 3)])
def test_a_first_layer_of_another_kind_is_no_resnet_mae(tmp_path: Path, kernel: torch.Tensor) -> None:
    torch.save({"conv1.weight": kernel}, tmp_path / "mae.pth")
    with pytest.raises(RankkitError, match="no encoder.conv1.kernel of four dimensions"):
        load(None, model=str(tmp_path / "mae.pth"))
