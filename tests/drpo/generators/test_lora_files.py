"""A file of LoRA weights is loaded whole and by itself, or refused: the libraries leave out what does not
fit, and draw what is missing, with a warning at most.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import tiny_pipelines
import torch
from lora_pipelines import shift
from safetensors.torch import load_file, save_file
from torch import Tensor
from typer.testing import CliRunner

from drpo.cli import app
from drpo.generators import sd_turbo, sdxl_one_step, shapes
from drpo.recipes import shapes as recipe
from drpo.run.files import LORA
from rankkit import RankkitError

Weights = dict[str, Tensor]


@pytest.fixture(scope="module")
def world() -> Any:
    """A generator of the shapes world with a LoRA of rank 2, not its first."""
    made = shapes.load(rank=2)
    shift(made)
    return made


def saved(generator: Any, folder: Path) -> Weights:
    generator.save(folder)
    return load_file(folder / LORA)


def halved(weights: Weights) -> Weights:
    """The same with half the rank."""
    return {
        name: (value[:1] if "lora_A" in name else value[:, :1]).contiguous()
        for name, value in weights.items()
    }


def renamed(weights: Weights, old: str, new: str) -> Weights:
    return {name.replace(old, new): value for name, value in weights.items()}


def kohya(weights: Weights) -> Weights:
    """The same in the names of kohya's scripts."""
    found = {}
    for name, value in weights.items():
        layer, half = name.removeprefix("unet.").rsplit(".lora_", 1)
        stem = f"lora_unet_{layer.replace('.', '_')}"
        found[f"{stem}.lora_{'down' if half[0] == 'A' else 'up'}.weight"] = value
        found[f"{stem}.alpha"] = torch.tensor(2.0)
    return found


def test_a_lora_that_was_saved_is_loaded_to_the_bit(world: Any, tmp_path: Path) -> None:
    weights = saved(world, tmp_path)
    before = [weight.clone() for weight in world.parameters().values()]
    for weight in world.parameters().values():
        weight.data.zero_()
    world.load(tmp_path)
    assert all(map(torch.equal, before, world.parameters().values())) and len(before) == len(weights)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda w: dict(list(w.items())[1:]),
            r"111 of its 111 weights fit, 1 of the 112 .* missing: unet\.down",
        ),
        (
            lambda w: {**w, "unet.odd.lora_A.weight": torch.zeros(2)},
            r"1 belong to no layer: unet\.odd\.lora_A",
        ),
        (lambda w: {**w, "text_encoder.odd": torch.zeros(2)}, "112 of its 113 .*no layer: text_encoder.odd"),
        (halved, r"0 of its 112 weights fit, 112 have the shape of another rank or base: .*\(1×48 in place"),
        (lambda w: renamed(w, "unet.", "transformer."), r"0 of its 112 weights fit, it holds transformer\."),
        (kohya, "0 of its 168 weights fit, it holds lora_unet_down"),
        (lambda w: {"a": torch.zeros(2)}, "0 of its 1 weights fit, it holds a. Put the file back"),
        (lambda w: {}, "it holds nothing"),
    ],
)
def test_any_other_file_is_refused_with_what_fits_and_what_does_not_and_changes_nothing(
    world: Any, tmp_path: Path, change: Any, said: str
) -> None:
    weights = saved(world, tmp_path)
    before = [weight.clone() for weight in world.parameters().values()]
    save_file(change(weights), tmp_path / LORA, {"format": "pt"})
    with pytest.raises(RankkitError, match=said) as caught:
        world.load(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / LORA} is no LoRA of this run's UNet2DConditionModel: ")
    assert "\n" not in str(caught.value) and "--base leaves the LoRA out" in str(caught.value)
    assert all(map(torch.equal, before, world.parameters().values()))


def test_sampling_a_run_whose_lora_is_of_another_base_is_one_line(tmp_path: Path) -> None:
    run = tmp_path / "run"
    saved(sd_turbo.load(str(tiny_pipelines.sd(tmp_path / "sd")), rank=4), run)
    (run / "config.json").write_text(json.dumps(asdict(recipe())))
    (tmp_path / "prompts.txt").write_text("a photo of a red circle\n")
    words = ["sample", str(run), "--prompts", str(tmp_path / "prompts.txt"), "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1 and f"{run / LORA} is no LoRA of this run's" in str(done.exception)
    (run / LORA).write_bytes(b"torn")
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1 and f"{run / LORA} cannot be read as weights" in str(done.exception)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pipelines.sdxl(tmp_path_factory.mktemp("base") / "model")


@pytest.fixture(scope="module")
def fitting(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """A LoRA of the tiny SDXL, not its first."""
    made = sdxl_one_step.load(str(base), rank=2)
    shift(made)
    return saved(made, tmp_path_factory.mktemp("lora"))


def merged(base: Path, weights: Weights, folder: Path) -> Any:
    save_file(weights, folder / LORA, {"format": "pt"})
    return sdxl_one_step.load(str(base), rank=2, distillation_lora=str(folder / LORA)).pipe.unet.state_dict()


def test_a_distillation_lora_is_merged_alike_under_whichever_names_it_has(
    base: Path, fitting: Weights, tmp_path: Path
) -> None:
    one, other = (merged(base, weights, tmp_path) for weights in (fitting, kohya(fitting)))
    own = sdxl_one_step.load(str(base), rank=2).pipe.unet.state_dict()
    names = [name for name in own if "lora" not in name]
    assert all(torch.equal(one[name], other[name]) for name in names)
    assert not all(torch.equal(one[name], own[name]) for name in names)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: dict(list(w.items())[1:]), r"one of the two matrices is missing of unet\.down\S*to_k;"),
        (
            lambda w: renamed(w, "unet.", "transformer."),
            r"0 of its 64 weights fit a layer there, and none of tr",
        ),
        (lambda w: renamed(w, "unet.", ""), "0 of its 64 weights fit a layer there"),
        (lambda w: renamed(w, "mid_block", "odd_block"), r"of its 64 weights .* none of unet\.odd_block"),
        (lambda w: {}, "0 of its 0 weights fit"),
        (lambda w: {"a": torch.zeros(2)}, "contain `'lora'` substring"),
    ],
)
def test_a_distillation_lora_is_merged_whole_or_refused(
    base: Path, fitting: Weights, tmp_path: Path, change: Any, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RankkitError, match=said) as caught:
        merged(base, change(fitting), tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / LORA} cannot be merged into '{base}': ")
    assert "give a LoRA for Stable Diffusion XL" in str(caught.value)
