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
from lora_pipelines import kohya, renamed, shift
from safetensors.torch import load_file, save_file
from torch import Tensor
from typer.testing import CliRunner

from drpo.cli import app
from drpo.generators import sd_turbo, shapes
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
