"""A base whose files lack weights of one of its networks is refused: random ones would be silently wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_flows
import tiny_pipelines
import tiny_sana
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from transformers import Dinov2Config, Dinov2Model, ViTMAEConfig, ViTMAEModel

from drpo import hub
from drpo.features import dinov2, vit_mae
from drpo.generators import (
    flux2_klein,
    sana_sprint,
    sd_turbo,
    sdxl_one_step,
    sdxl_turbo,
    shapes,
    z_image_turbo,
)
from rankkit import RankkitError

Family = tuple[Callable[[Path], object], Callable[..., object]]
FAMILIES: dict[str, Family] = {
    "sd": (tiny_pipelines.sd, sd_turbo.load),
    "sdxl": (tiny_pipelines.sdxl, sdxl_turbo.load),
    "sdxl_one_step": (tiny_pipelines.sdxl, sdxl_one_step.load),
    "sana": (tiny_sana.sana, sana_sprint.load),
    "z_image": (tiny_flows.z_image, z_image_turbo.load),
    "flux2": (tiny_flows.flux2_klein, flux2_klein.load),
    "shapes": (lambda folder: shutil.copytree(shapes.WEIGHTS, folder), shapes.load),
}


def weights(folder: Path) -> list[Path]:
    """The file of weights of every network of a pipeline."""
    return sorted(path for path in folder.glob("*/*.safetensors"))


def without(path: Path, *names: str) -> dict[str, torch.Tensor]:
    """Write a file of weights again without `names`; what it held."""
    held = load_file(path)
    save_file({key: value for key, value in held.items() if key not in names}, path, {"format": "pt"})
    return held


@pytest.mark.parametrize("family", FAMILIES)
def test_every_network_of_every_generator_is_refused_without_one_of_its_weights(
    family: str, tmp_path: Path
) -> None:
    make, load = FAMILIES[family]
    make(tmp_path / "model")
    files = weights(tmp_path / "model")
    assert {path.parent.name for path in files} >= {"vae", "text_encoder"} and len(files) >= 3
    for path in files:
        name = sorted(load_file(path))[-1]
        held = without(path, name)
        with pytest.raises(RankkitError) as caught:
            load(str(tmp_path / "model"), rank=4)
        said = str(caught.value)
        assert said.startswith(f"{path.parent} lacks 1 of the weights of ") and name in said, said
        assert path.name in said and "give model= with a complete copy" in said and "\n" not in said
        save_file(held, path, {"format": "pt"})
    load(str(tmp_path / "model"), rank=4)


def test_the_message_counts_the_weights_names_three_and_says_who_wrote_them(tmp_path: Path) -> None:
    model = tiny_pipelines.sd(tmp_path / "model")
    (path,) = (model / "text_encoder").glob("*.safetensors")
    names = sorted(load_file(path))[:5]
    without(path, *names)
    config = json.loads((path.parent / "config.json").read_text())
    (path.parent / "config.json").write_text(json.dumps({**config, "transformers_version": "9.8.7"}))
    with pytest.raises(RankkitError) as caught:
        sd_turbo.load(str(model))
    assert "lacks 5 of the weights of CLIPTextModel" in str(caught.value)
    assert f"({', '.join(names[:3])} and 2 more are not in model.safetensors)" in str(caught.value)
    assert "written by transformers 9.8.7, and " in str(caught.value)


def test_tied_weights_and_buffers_that_a_file_leaves_out_are_no_fault(tmp_path: Path) -> None:
    tiny_flows.flux2_klein(tmp_path / "model")
    folder = tmp_path / "model" / "text_encoder"
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    (path,) = folder.glob("*.safetensors")
    without(path, "lm_head.weight")
    made: Any = flux2_klein.load(str(tmp_path / "model"))
    text = made.pipe.text_encoder
    assert text.lm_head.weight.data_ptr() == text.model.embed_tokens.weight.data_ptr()
    counted = torch.nn.Sequential(torch.nn.BatchNorm2d(2))
    hub._check_complete(counted, {"0.num_batches_tracked"}, "here", "model")


def test_the_statistics_by_which_flux2s_autoencoder_standardises_are_weights(tmp_path: Path) -> None:
    tiny_flows.flux2_klein(tmp_path / "model")
    (path,) = (tmp_path / "model" / "vae").glob("*.safetensors")
    without(path, "bn.running_var")
    with pytest.raises(RankkitError, match=r"vae lacks 1 .*bn\.running_var"):
        flux2_klein.load(str(tmp_path / "model"))


def test_an_autoencoder_under_the_older_names_of_its_attention_is_whole(tmp_path: Path) -> None:
    model = tiny_pipelines.sd(tmp_path / "model")
    (path,) = (model / "vae").glob("*.safetensors")
    older = {"to_q.": "query.", "to_k.": "key.", "to_v.": "value.", "to_out.0.": "proj_attn."}
    renamed = {}
    for name, value in load_file(path).items():
        for new, old in older.items():
            name = name.replace(f".attentions.0.{new}", f".attentions.0.{old}")
        renamed[name] = value
    assert any("proj_attn" in name for name in renamed)
    whole = AutoencoderKL.from_pretrained(model / "vae").state_dict()
    save_file(renamed, path, {"format": "pt"})
    loaded: Any = sd_turbo.load(str(model))
    assert all(torch.equal(loaded.pipe.vae.state_dict()[name], value) for name, value in whole.items())


@pytest.mark.parametrize(
    ("model", "load"),
    [
        (Dinov2Model(Dinov2Config(hidden_size=8, num_hidden_layers=1, num_attention_heads=2)), dinov2.load),
        (ViTMAEModel(ViTMAEConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=2)), vit_mae.load),
    ],
)
def test_a_feature_map_is_refused_without_one_of_its_weights(
    model: Any, load: Callable[..., object], tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path / "map")
    name = sorted(without(tmp_path / "map" / "model.safetensors"))[0]
    load(None, model=str(tmp_path / "map"))
    without(tmp_path / "map" / "model.safetensors", name)
    with pytest.raises(RankkitError, match=rf"lacks 1 .*{name}.*give features_model= with a complete copy"):
        load(None, model=str(tmp_path / "map"))


def test_a_unet_of_its_own_is_refused_without_one_of_its_weights(tmp_path: Path) -> None:
    model = tiny_pipelines.sdxl(tmp_path / "model")
    shutil.copytree(model / "unet", tmp_path / "unet")
    (path,) = (tmp_path / "unet").glob("*.safetensors")
    without(path, "conv_in.bias")
    with pytest.raises(RankkitError, match=r"unet lacks 1 .*conv_in\.bias.*give unet= with a complete copy"):
        sdxl_one_step.load(str(model), unet=str(tmp_path / "unet"))


WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x01\x02", "header too small"),
        (b"\xff" * 8 + b"{}", "header too large"),
        (b"<!DOCTYPE html><html></html>", "header too large"),
        (b"", "header too small"),
    ],
)
def test_a_damaged_file_of_weights_is_named_with_what_is_wrong(
    content: bytes, said: str, tmp_path: Path
) -> None:
    model = tiny_pipelines.sd(tmp_path / "model")
    (model / WEIGHTS).write_bytes(content)
    with pytest.raises(RankkitError) as caught:
        sd_turbo.load(str(model))
    assert WEIGHTS in str(caught.value) and said in str(caught.value).lower()
    assert "download what is damaged or missing again, or give model= with" in str(caught.value)
    assert "check the name" not in str(caught.value)


@pytest.mark.parametrize("variant", ["fp16", "bf16", "non_ema"])
def test_weights_of_one_variant_alone_are_read(variant: str, tmp_path: Path) -> None:
    model = tiny_pipelines.sd(tmp_path / "model")
    whole = sd_turbo.load(str(model)).pipe.unet.state_dict()
    (model / WEIGHTS).rename(model / WEIGHTS.replace(".safetensors", f".{variant}.safetensors"))
    loaded = sd_turbo.load(str(model)).pipe.unet.state_dict()
    assert all(torch.equal(loaded[name], whole[name]) for name in whole if "lora" not in name)
