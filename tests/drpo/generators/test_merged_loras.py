"""A LoRA of others is merged into the frozen weights whole, as strong as its file says, or refused: under the
names of every program that writes such files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_pipelines
import torch
from diffusers import StableDiffusionXLPipeline
from lora_pipelines import kohya, renamed, shift
from original_names import original
from safetensors.torch import load_file, save_file
from torch import Tensor

from drpo import hub
from drpo.generators import _lora, sdxl_one_step
from drpo.run.files import LORA
from rankkit import RankkitError

Weights = dict[str, Tensor]
RANK = 2


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pipelines.sdxl(tmp_path_factory.mktemp("base") / "model")


@pytest.fixture(scope="module")
def pipe(base: Path) -> Any:
    """The tiny SDXL; `added` leaves it as it was."""
    return hub.pipeline(StableDiffusionXLPipeline, str(base), "cpu", torch.float32)


@pytest.fixture(scope="module")
def fitting(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """A LoRA of the tiny SDXL, not its first."""
    made, folder = sdxl_one_step.load(str(base), rank=RANK), tmp_path_factory.mktemp("lora")
    shift(made)
    made.save(folder)
    return load_file(folder / LORA)


def weights_of(pipe: Any) -> Weights:
    parts = ("unet", "text_encoder", "text_encoder_2")
    return {
        f"{part}.{name}": weight
        for part in parts
        for name, weight in getattr(pipe, part).state_dict().items()
    }


def added(pipe: Any, weights: Weights, folder: Path, **header: str) -> Weights:
    """What merging a file with these weights adds to the pipeline's, where it is not nothing."""
    alone = {name: weight.clone().contiguous() for name, weight in weights.items()}
    save_file(alone, folder / LORA, {"format": "pt", **header})
    before = {name: weight.clone() for name, weight in weights_of(pipe).items()}
    try:
        _lora.merge(pipe, folder / LORA)
        found = {name: weight - before[name] for name, weight in weights_of(pipe).items()}
        return {name: change for name, change in found.items() if change.any()}
    finally:
        for name, weight in weights_of(pipe).items():
            weight.copy_(before[name])


def products(weights: Weights) -> Weights:
    """``up @ down`` of every layer."""
    return {
        name.replace("lora_A.", ""): weights[name.replace("lora_A", "lora_B")] @ weights[name]
        for name in weights
        if "lora_A" in name
    }


def check_added(found: Weights, weights: Weights, *scales: float) -> None:
    """Check that every layer has got its product, times the scales in turns, and nothing else has changed."""
    wanted = products(weights)
    assert found.keys() == wanted.keys()
    for at, name in enumerate(sorted(wanted)):
        assert torch.allclose(found[name], scales[at % len(scales)] * wanted[name], atol=1e-5), name


def with_alphas(weights: Weights, *alphas: float) -> Weights:
    """The same with an alpha per layer, in turns."""
    stems = sorted({name.rsplit(".lora_", 1)[0] for name in weights})
    return weights | {
        f"{stem}.alpha": torch.tensor(alphas[at % len(alphas)]) for at, stem in enumerate(stems)
    }


def by_processor(name: str) -> str:
    """A name as diffusers wrote it in 2023."""
    name = name.replace(".to_", ".processor.to_").replace("to_out.0", "to_out")
    return name.replace(".lora_A", "_lora.down").replace(".lora_B", "_lora.up")


def in_original_names(weights: Weights) -> Weights:
    """The same in the names of the original code, with a word before them as ComfyUI has it."""
    found: Weights = {}
    for half in (".lora_A", ".lora_B"):
        layers = {
            name.removeprefix("unet.").replace(half, ""): w for name, w in weights.items() if half in name
        }
        named = original(layers, "diffusion_model.")
        found |= {name.removesuffix(".weight") + f"{half}.weight": weight for name, weight in named.items()}
    return found


def as_kohyas_original(weights: Weights) -> Weights:
    """The same in kohya's names for SDXL."""
    named = renamed(in_original_names(weights), "diffusion_model.", "unet.")
    return kohya(named)


@pytest.mark.parametrize(
    "written",
    [
        dict,
        kohya,
        as_kohyas_original,
        in_original_names,
        lambda w: renamed(w, "unet.", ""),
        lambda w: renamed(w, "unet.", "diffusion_model."),
        lambda w: renamed(w, ".weight", ".default.weight"),
        lambda w: renamed(renamed(w, "lora_A", "lora.down"), "lora_B", "lora.up"),
        lambda w: {by_processor(name): weight for name, weight in w.items()},
        lambda w: {by_processor(name).removeprefix("unet."): weight for name, weight in w.items()},
    ],
)
def test_a_lora_is_merged_alike_under_the_names_of_every_program(
    pipe: Any, fitting: Weights, tmp_path: Path, written: Any
) -> None:
    check_added(added(pipe, written(fitting), tmp_path), fitting, 1)


def test_every_layer_has_the_strength_that_its_alpha_says(
    pipe: Any, fitting: Weights, tmp_path: Path
) -> None:
    check_added(added(pipe, kohya(fitting, alpha=1), tmp_path), fitting, 1 / RANK)
    varied = with_alphas(fitting, 1, 2, 3)
    check_added(added(pipe, varied, tmp_path), fitting, 1 / RANK, 2 / RANK, 3 / RANK)


def test_the_strength_that_a_files_header_says_counts(pipe: Any, fitting: Weights, tmp_path: Path) -> None:
    def stated(**settings: Any) -> Weights:
        words = json.dumps({f"unet.{name}": value for name, value in settings.items()})
        return added(pipe, fitting, tmp_path, lora_adapter_metadata=words)

    check_added(stated(r=RANK, lora_alpha=6), fitting, 6 / RANK)
    check_added(stated(r=RANK, lora_alpha=6, use_rslora=True), fitting, 6 / RANK**0.5)
    found = stated(r=RANK, lora_alpha=2, alpha_pattern={"attn2.to_k": 8})
    for name, product in products(fitting).items():
        assert torch.allclose(found[name], (4 if "attn2.to_k" in name else 1) * product, atol=1e-5)


def test_a_file_of_peft_has_its_strength_beside_it_or_is_refused(
    pipe: Any, fitting: Weights, tmp_path: Path
) -> None:
    by_peft = renamed(fitting, "unet.", "base_model.model.")
    with pytest.raises(RankkitError, match=r"its strength stands in adapter_config\.json beside it, which"):
        added(pipe, by_peft, tmp_path)
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": RANK, "lora_alpha": 8}))
    check_added(added(pipe, by_peft, tmp_path), fitting, 8 / RANK)


def test_convolutions_and_text_encoders_are_merged_too(pipe: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    conv, text = pipe.unet.mid_block.resnets[0].conv1.weight, pipe.text_encoder.state_dict()
    (query,) = (text[name] for name in text if name.endswith("layers.0.self_attn.q_proj.weight"))
    found = added(
        pipe,
        {
            "lora_unet_middle_block_0_in_layers_2.lora_down.weight": torch.randn(2, *conv.shape[1:]),
            "lora_unet_middle_block_0_in_layers_2.lora_up.weight": torch.randn(len(conv), 2, 1, 1),
            "lora_te1_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight": torch.randn(1, 32),
            "lora_te1_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight": torch.randn(32, 1),
        },
        tmp_path,
    )
    assert {name.partition(".")[0]: change.shape for name, change in found.items()} == {
        "unet": conv.shape,
        "text_encoder": query.shape,
    }


def swapped(weights: Weights, **changes: Tensor) -> Weights:
    """With another value for the first weight that ends so."""
    for end, value in changes.items():
        name = next(name for name in weights if name.endswith(f"{end}.weight"))
        weights = {**weights, name: value}
    return weights


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: dict(list(w.items())[1:]), r"one of the two matrices is missing of unet\.down\S*to_k;"),
        (
            lambda w: renamed(w, "unet.", "transformer."),
            "0 of its 64 weights fit a layer there, and none of",
        ),
        (lambda w: renamed(w, "mid_block", "odd_block"), r"of its 64 weights .* none of unet\.odd_block"),
        (
            lambda w: w | {"unet.mid_block.odd": torch.zeros(2)},
            r"64 of its 65 .*none of unet\.mid_bl",
        ),
        (lambda w: {}, "0 of its 0 weights fit"),
        (lambda w: {"a": torch.zeros(2)}, "0 of its 1 weights fit a layer there, and none of a;"),
        (lambda w: {f"{n[:-13]}hada_w1_a": v for n, v in w.items() if "lora_A" in n}, "it is a LoHa"),
        (lambda w: {f"lycoris_{n[:-13]}lokr_w1": v for n, v in w.items() if "lora_A" in n}, "it is a LoKr"),
        (lambda w: w | {"unet.mid_block.a.dora_scale": torch.ones(1)}, "it is a DoRA"),
        (lambda w: swapped(w, lora_A=torch.ones(2, 99)), r"are 16×\d+, 2×99, 16×2: it is of another base"),
        (lambda w: swapped(w, lora_A=torch.full((2, 16), torch.nan)), "not made of finite numbers"),
        (lambda w: {name: v.to(torch.int8) for name, v in w.items()}, "not made of finite numbers"),
        (lambda w: {n: v * ("lora_A" in n) for n, v in w.items()}, "never trained: it changes nothing"),
        (lambda w: kohya(w) | w, "it names a layer twice, the second time as unet"),
    ],
)
def test_any_other_file_is_refused_and_changes_nothing(
    base: Path, pipe: Any, fitting: Weights, tmp_path: Path, change: Any, said: str
) -> None:
    before = {name: weight.clone() for name, weight in weights_of(pipe).items()}
    with pytest.raises(RankkitError, match=said) as caught:
        added(pipe, change(fitting), tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / LORA} cannot be merged into '{base}': ")
    assert "give a LoRA for Stable Diffusion XL, of two matrices per layer" in str(caught.value)
    assert all(torch.equal(weight, before[name]) for name, weight in weights_of(pipe).items())


@pytest.mark.parametrize("header", ["no json", "[1]", "null"])
def test_a_header_that_cannot_be_read_is_refused(
    pipe: Any, fitting: Weights, tmp_path: Path, header: str
) -> None:
    with pytest.raises(RankkitError, match="its strength stands in lora_adapter_metadata in its header"):
        added(pipe, fitting, tmp_path, lora_adapter_metadata=header)
