"""One-step SDXL on tiny random pipelines: with every scheduler, prediction and kind of weights a candidate is
what the stock pipeline gives by its authors' own lines, and what is saved loads there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_pipelines
import torch
from diffusers import (
    EulerDiscreteScheduler,
    LCMScheduler,
    StableDiffusionXLPipeline,
    TCDScheduler,
    UNet2DConditionModel,
)
from lora_pipelines import PROMPT, shift
from original_names import original
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from tiny_updates import MAPS, Red, trainer
from torch import Tensor

from drpo import build
from drpo.config import Config
from drpo.generators import sdxl_one_step
from drpo.recipes import recipe
from rankkit import RankkitError, UsageError


def distilled(folder: Path, **shape: Any) -> Path:
    """Other weights of the tiny U-Net, as one file in diffusers' layout."""
    torch.manual_seed(7)
    unet = tiny_pipelines.sdxl_unet(**shape)
    path = folder / "distilled_unet.safetensors"
    save_file({name: weight.contiguous() for name, weight in unet.state_dict().items()}, path)
    return path


def distillation_lora(folder: Path, model: Path) -> Path:
    """A LoRA on more layers than ours, as one file."""
    generator = sdxl_one_step.load(str(model), rank=2)
    pipe = generator.pipe
    pipe.unet.delete_adapters("default")
    pipe.unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v", "proj_in", "conv1"]))
    torch.manual_seed(8)
    for name, weight in pipe.unet.named_parameters():
        if "lora_" in name:
            weight.data = 0.2 * torch.randn_like(weight)
    pipe.save_lora_weights(folder, get_peft_model_state_dict(pipe.unet))
    return folder / "pytorch_lora_weights.safetensors"


def stock(model: Path, unet: Path | None = None) -> StableDiffusionXLPipeline:
    """The stock pipeline, with the lines that the U-Nets' cards print."""
    pipe = StableDiffusionXLPipeline.from_pretrained(model)
    if unet is not None:
        pipe.unet = UNet2DConditionModel.from_config(
            UNet2DConditionModel.load_config(model, subfolder="unet")
        )
        pipe.unet.load_state_dict(load_file(unet))
    pipe.set_progress_bar_config(disable=True)
    return pipe


def as_hyper(pipe: Any) -> dict[str, Any]:
    pipe.scheduler = LCMScheduler.from_config(pipe.scheduler.config)
    return {"timesteps": [800]}


def as_dmd2(pipe: Any) -> dict[str, Any]:
    pipe.scheduler = LCMScheduler.from_config(pipe.scheduler.config)
    return {"timesteps": [399]}


def as_lightning(pipe: Any) -> dict[str, Any]:
    pipe.scheduler = EulerDiscreteScheduler.from_config(
        pipe.scheduler.config, timestep_spacing="trailing", prediction_type="sample"
    )
    return {}


def as_hyper_lora(pipe: Any) -> dict[str, Any]:
    pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
    return {"eta": 1.0}


AUTHORS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "sdxl_hyper": as_hyper,
    "sdxl_dmd2": as_dmd2,
    "sdxl_lightning": as_lightning,
    "sdxl_hyper_lora": as_hyper_lora,
}


def drawn(pipe: Any, noise: Tensor, **options: Any) -> list[Any]:
    with torch.no_grad():
        images: list[Any] = pipe(
            PROMPT,
            num_images_per_prompt=len(noise),
            num_inference_steps=1,
            guidance_scale=0.0,
            latents=noise,
            **options,
        ).images
    return images


def loaded(name: str, model: Path, folder: Path, **options: Any) -> tuple[Any, Any, dict[str, Any]]:
    """The generator of a recipe over the tiny model, the stock pipeline set up as its authors say, and what
    the latter is called with.
    """
    made = recipe(name)
    step: Any = {"scheduler": made.scheduler, "timestep": made.timestep, "prediction": made.prediction}
    if made.distillation_lora:
        part = distillation_lora(folder, model)
        pipe = stock(model)
        pipe.load_lora_weights(part)
        pipe.fuse_lora()
        pipe.unload_lora_weights()
        parts = {"distillation_lora": str(part)}
    else:
        part = distilled(folder)
        pipe, parts = stock(model, part), {"unet": str(part)}
    called = AUTHORS[name](pipe)
    return sdxl_one_step.load(str(model), rank=4, **step, **parts, **options), pipe, called


@pytest.mark.parametrize("name", AUTHORS)
def test_a_candidate_and_the_trained_lora_are_the_stock_pipelines_to_the_bit(
    name: str, tmp_path: Path
) -> None:
    generator, pipe, called = loaded(name, tiny_pipelines.sdxl(tmp_path / "model"), tmp_path)
    noise = generator.noise(2, 5)
    with torch.no_grad():
        before = generator.sample(PROMPT, noise)
    assert [image.tobytes() for image in before.images()] == [
        image.tobytes() for image in drawn(pipe, noise, **called)
    ]
    shift(generator)
    generator.save(tmp_path / "run")
    pipe.load_lora_weights(str(tmp_path / "run"))
    with torch.no_grad():
        after = generator.sample(PROMPT, noise)
        with generator.reference():
            assert torch.equal(generator.sample(PROMPT, noise).latents, before.latents)
    assert torch.equal(after.latents, drawn(pipe, noise, output_type="latent", **called))
    assert not torch.allclose(after.latents, before.latents, atol=1e-3)
    again = loaded(name, tmp_path / "model", tmp_path)[0]
    again.load(tmp_path / "run")
    with torch.no_grad():
        assert torch.equal(again.sample(PROMPT, noise).latents, after.latents)


@pytest.mark.parametrize("prediction", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("scheduler", [LCMScheduler, EulerDiscreteScheduler, TCDScheduler])
def test_every_scheduler_takes_every_prediction_as_the_stock_pipeline_does(
    scheduler: Any, prediction: Any, tmp_path: Path
) -> None:
    model, name = tiny_pipelines.sdxl(tmp_path), scheduler.__name__[:-9].lower().removesuffix("discrete")
    generator = sdxl_one_step.load(str(model), rank=4, scheduler=name, prediction=prediction, timestep=640)
    pipe = stock(model)
    pipe.scheduler = scheduler.from_config(
        pipe.scheduler.config, timestep_spacing="trailing", prediction_type=prediction
    )
    noise = generator.noise(2, 0)
    with torch.no_grad():
        ours = generator.sample(PROMPT, noise).latents
    assert torch.equal(ours, drawn(pipe, noise, timesteps=[640], output_type="latent"))


@pytest.mark.parametrize("name", AUTHORS)
def test_training_moves_every_one_step_sdxl(name: str, tmp_path: Path) -> None:
    generator = loaded(name, tiny_pipelines.sdxl(tmp_path / "model"), tmp_path, checkpointing=True)[0]
    noise = generator.noise(2, 0)
    before = generator.sample(PROMPT, noise).latents
    row = trainer(generator, MAPS["vit_mae"](generator), Red()).step()
    assert row["gradient"] > 0 and not torch.equal(generator.sample(PROMPT, noise).latents, before)


def test_a_distillation_lora_and_ours_are_two_adapters_of_the_stock_pipeline_too(tmp_path: Path) -> None:
    model = tiny_pipelines.sdxl(tmp_path / "model")
    generator = loaded("sdxl_hyper_lora", model, tmp_path)[0]
    shift(generator)
    generator.save(tmp_path / "run")
    pipe = stock(model)
    pipe.load_lora_weights(tmp_path / "pytorch_lora_weights.safetensors", adapter_name="hyper")
    pipe.load_lora_weights(str(tmp_path / "run"), adapter_name="ours")
    pipe.set_adapters(["hyper", "ours"])
    called, noise = as_hyper_lora(pipe), generator.noise(2, 0)
    with torch.no_grad():
        ours = generator.sample(PROMPT, noise).latents
    theirs = drawn(pipe, noise, output_type="latent", **called)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    names = list(load_file(tmp_path / "run" / "pytorch_lora_weights.safetensors"))
    assert names and not any("conv1" in name or "proj_in" in name for name in names)


def test_a_u_net_comes_as_a_file_of_either_kind_or_as_a_folder(tmp_path: Path) -> None:
    model, file = tiny_pipelines.sdxl(tmp_path / "model"), distilled(tmp_path)
    torch.save(load_file(file), tmp_path / "unet.bin")
    stock(model, file).unet.save_pretrained(tmp_path / "unet")
    made = [
        sdxl_one_step.load(str(model), unet=str(part), rank=4)
        for part in (file, tmp_path / "unet.bin", tmp_path / "unet")
    ]
    noise = made[0].noise(1, 0)
    with torch.no_grad():
        one, two, three = (generator.sample(PROMPT, noise).latents for generator in made)
    assert torch.equal(one, two) and torch.equal(one, three)
    assert not made[0].pipe.unet.training
    half = sdxl_one_step.load(str(model), unet=str(file), rank=4, dtype=torch.bfloat16).pipe.unet
    assert half.dtype == torch.bfloat16


@pytest.mark.parametrize("start", ["model.diffusion_model.", "diffusion_model.", ""])
def test_a_file_under_the_original_names_is_read_as_diffusers_reads_it(
    start: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, ours = tiny_pipelines.sdxl(tmp_path / "model"), distilled(tmp_path)
    theirs, weights = tmp_path / "original.safetensors", original(load_file(ours), start)
    if start == "model.diffusion_model.":  # an all-in-one checkpoint
        weights |= {"conditioner.embedders.0.x": torch.zeros(1), "first_stage_model.y": torch.zeros(1)}
    save_file(weights, theirs)
    one, two = (sdxl_one_step.load(str(model), unet=str(file), rank=4) for file in (ours, theirs))
    said = capsys.readouterr().err
    assert ("its U-Net alone is taken; text encoders and autoencoder are those of" in said) == (
        len(start) > 16
    )
    noise = one.noise(2, 0)
    with torch.no_grad():
        assert torch.equal(one.sample(PROMPT, noise).latents, two.sample(PROMPT, noise).latents)
    if start != "model.diffusion_model.":
        return  # diffusers does not read these
    read = UNet2DConditionModel.from_single_file(str(theirs), config=str(model), subfolder="unet")
    found = two.pipe.unet.state_dict()
    names = {name.replace(".base_layer", ""): name for name in found if "lora_" not in name}
    assert all(torch.equal(weight, found[names[name]]) for name, weight in read.state_dict().items())


def test_a_file_under_the_original_names_fits_whole_or_is_refused(tmp_path: Path) -> None:
    model, weights = tiny_pipelines.sdxl(tmp_path / "model"), original(load_file(distilled(tmp_path)))
    names, file = list(weights), tmp_path / "original.safetensors"
    for changed, message in (
        ({name: weights[name] for name in names[:-1]}, r"Missing key"),
        ({name: weight for name, weight in weights.items() if "label_emb" not in name}, r"label_emb"),
        (
            weights | {"model.diffusion_model.input_blocks.3.7.odd": torch.zeros(1)},
            r"of its \d+ weights belong",
        ),
        (
            weights | {"model.diffusion_model.out.2.scale_weight": torch.zeros(1)},
            r"fp8 weights beside their scales",
        ),
    ):
        save_file(changed, file)
        with pytest.raises(RankkitError, match=rf"does not fit the U-Net of .*{message}"):
            sdxl_one_step.load(str(model), unet=str(file))


def test_a_file_in_eight_bit_floats_is_read_in_the_precision_that_is_asked_for(tmp_path: Path) -> None:
    model, file = tiny_pipelines.sdxl(tmp_path / "model"), distilled(tmp_path)
    small = {name: weight.to(torch.float8_e4m3fn) for name, weight in load_file(file).items()}
    save_file(small, tmp_path / "fp8.safetensors")
    save_file({name: weight.float() for name, weight in small.items()}, tmp_path / "fp32.safetensors")
    one, two = (
        sdxl_one_step.load(str(model), unet=str(tmp_path / f"{name}.safetensors"), rank=4)
        for name in ("fp8", "fp32")
    )
    noise = one.noise(1, 0)
    with torch.no_grad():
        assert torch.equal(one.sample(PROMPT, noise).latents, two.sample(PROMPT, noise).latents)


def test_files_that_are_not_read_are_refused_with_the_way_out(tmp_path: Path) -> None:
    model, nested = tiny_pipelines.sdxl(tmp_path / "model"), tmp_path / "nested.bin"
    torch.save({"state_dict": load_file(distilled(tmp_path))}, nested)
    assert sdxl_one_step.load(str(model), unet=str(nested), rank=4)
    torch.save({"epoch": 3, "x": torch.zeros(1)}, nested)
    with pytest.raises(RankkitError, match="nested.bin cannot be read as weights: it holds other things"):
        sdxl_one_step.load(str(model), unet=str(nested))
    for suffix in (".ckpt", ".gguf"):
        with pytest.raises(UsageError, match=rf"\{suffix} is not read; give the \.safetensors file"):
            sdxl_one_step.load(str(model), unet=f"model{suffix}")
    for name in ("juggernaut.safetensors", "old.ckpt"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(RankkitError, match=r"is a single file.*from_single_file\(.*save_pretrained"):
            sdxl_one_step.load(str(tmp_path / name))


def test_a_u_net_without_a_middle_block_is_one_as_any_other(tmp_path: Path) -> None:
    shape = {"mid_block_type": None, "transformer_layers_per_block": (1, 2)}
    model = tiny_pipelines.sdxl(tmp_path / "model", unet=shape)  # as SSD-1B's
    part = distilled(tmp_path, **shape)
    generator = sdxl_one_step.load(str(model), unet=str(part), scheduler="lcm", rank=4)
    pipe, noise = stock(model, part), generator.noise(2, 0)
    pipe.scheduler = LCMScheduler.from_config(pipe.scheduler.config)
    with torch.no_grad():
        ours = generator.sample(PROMPT, noise).latents
    assert torch.equal(ours, drawn(pipe, noise, output_type="latent"))


def test_a_timestep_of_its_own_is_taken_without_remarks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    generator = loaded("sdxl_hyper", tiny_pipelines.sdxl(tmp_path / "model"), tmp_path)[0]
    root = logging.getLogger("diffusers")
    root.addHandler(caplog.handler)
    try:
        generator.sample(PROMPT, generator.noise(1, 0))
    finally:
        root.removeHandler(caplog.handler)
    assert not caplog.records


def test_weights_that_do_not_fit_are_named_with_the_way_out(tmp_path: Path) -> None:
    model = tiny_pipelines.sdxl(tmp_path / "model")
    wrong, damaged = (
        distilled(tmp_path, transformer_layers_per_block=(1, 2)),
        tmp_path / "damaged.safetensors",
    )
    damaged.write_bytes(b"\x10")
    guided = tmp_path / "guided"
    tiny_pipelines.sdxl_unet(time_cond_proj_dim=8).save_pretrained(guided)
    for options, message in (
        ({"unet": str(wrong)}, r"does not fit the U-Net of .*transformer_blocks.*model=BASE"),
        ({"unet": str(damaged)}, r"damaged.safetensors cannot be read as weights: .*download it again"),
        ({"unet": "missing.safetensors"}, r"unet=missing.safetensors: there is no such file here"),
        ({"unet": str(guided)}, r"takes the guidance scale as an input \(time_cond_proj_dim=8\)"),
        ({"distillation_lora": str(wrong)}, r"cannot be merged into .*give a LoRA for Stable Diffusion XL"),
        ({"timestep": 1000}, r"timestep=1000: the model was trained on timesteps 1 to 999"),
    ):
        with pytest.raises(RankkitError, match=message):
            sdxl_one_step.load(str(model), rank=4, **options)  # type: ignore[arg-type]


def test_a_file_that_cannot_be_downloaded_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    model = tiny_pipelines.sdxl(tmp_path)
    with pytest.raises(RankkitError, match=r"no file could be loaded from 'a/b/c.safetensors'.*unet=FILE"):
        sdxl_one_step.load(str(model), unet="a/b/c.safetensors")


def test_settings_reach_the_generator_that_has_them_and_are_refused_by_the_others(tmp_path: Path) -> None:
    given: Any = {"ranker": "", "prompts": "", "precision": "fp32", "timestep": 800, "scheduler": "lcm"}
    model = str(tiny_pipelines.sdxl(tmp_path / "xl"))
    made: Any = build.generator(Config(generator="sdxl_one_step", model=model, **given))
    assert made.timestep == 800 and isinstance(made.pipe.scheduler, LCMScheduler)
    with pytest.raises(UsageError, match=r"scheduler=lcm: generator=sdxl_turbo has no such setting"):
        build.generator(Config(generator="sdxl_turbo", model=model, **given))
