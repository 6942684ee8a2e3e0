"""SDXL distilled to one step: Hyper-SDXL, DMD2, SDXL-Lightning, and U-Nets of other depths such as SSD-1B's.

They are published as a U-Net or a LoRA for Stable Diffusion XL, with a scheduler and a timestep of their own.
A trained run is sampled with the stock pipeline by the same three (here those of the recipe ``sdxl_hyper``)::

    pipe.unet, pipe.scheduler = hyper_sdxl_unet, LCMScheduler.from_config(pipe.scheduler.config)
    pipe.load_lora_weights(RUN)
    pipe(prompt, num_inference_steps=1, timesteps=[800], guidance_scale=0.0)
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    EulerDiscreteScheduler,
    LCMScheduler,
    StableDiffusionXLPipeline,
    TCDScheduler,
    UNet2DConditionModel,
)
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from torch import Tensor

from drpo import hub
from drpo.choices import Prediction, Scheduler
from drpo.generators import _lora
from drpo.generators.sdxl_turbo import SDXLTurbo
from rankkit import RankkitError, UsageError
from rankkit.plugin import reason_of, say

MODEL = "stabilityai/stable-diffusion-xl-base-1.0"
FILES = (".safetensors", ".bin", ".pt", ".pth")
REFUSED = (".ckpt", ".gguf", ".onnx", ".sft")  # pickles that may run code, and what diffusers reads otherwise
ORIGINAL = "model.diffusion_model."  # before the names of a U-Net's weights in all-in-one checkpoints
MARKS = {  # in the names of weights, and what has such
    "lora": "a LoRA (give it as distillation_lora=)",
    "double_blocks.": "a transformer of the FLUX family",
    "joint_blocks.": "a transformer of Stable Diffusion 3",
    "noise_refiner.": "a transformer of the Z-Image family",
    "scale_weight": "fp8 weights beside their scales (take the fp16 file)",
    "weight_scale": "fp8 weights beside their scales (take the fp16 file)",
    "scaled_fp8": "fp8 weights beside their scales (take the fp16 file)",
    "absmax": "quantized weights (take the fp16 file)",
}
TIMESTEPS = {"dmd2_sdxl_1step_unet": 399, "Hyper-SDXL-1step-Unet": 800}  # of files, by their model cards
SCHEDULERS: dict[str, tuple[Any, dict[str, str]]] = {
    "euler": (EulerDiscreteScheduler, {"timestep_spacing": "trailing"}),
    "lcm": (LCMScheduler, {}),
    "tcd": (TCDScheduler, {}),
}


class SDXLOneStep(SDXLTurbo):
    """As `SDXLTurbo`, with the one step at `timestep`, or where the scheduler puts it if that is 0."""

    def __init__(
        self,
        pipe: Any,
        *,
        timestep: int = 0,
        rank: int = 16,
        checkpointing: bool = False,
        inference_steps: int = 1,
        graph_steps: int = 1,
    ) -> None:
        last = int(pipe.scheduler.config.num_train_timesteps) - 1
        if not 0 <= timestep <= last:
            raise UsageError(f"timestep={timestep}: the model was trained on timesteps 1 to {last}")
        if timestep and inference_steps > 1:
            raise UsageError(
                f"timestep={timestep} says where one step starts, and inference_steps={inference_steps}; "
                "leave one of them out"
            )
        if timestep and "timesteps" not in inspect.signature(pipe.scheduler.set_timesteps).parameters:
            raise UsageError(
                f"timestep={timestep}: the scheduler of {pipe.name_or_path!r} "
                f"({type(pipe.scheduler).__name__}) takes no timesteps; give scheduler=lcm, tcd or euler, or "
                "leave timestep out"
            )
        super().__init__(
            pipe,
            rank=rank,
            checkpointing=checkpointing,
            inference_steps=inference_steps,
            graph_steps=graph_steps,
        )
        self.timestep = timestep or None


def load(
    model: str = "",
    *,
    unet: str = "",
    distillation_lora: str = "",
    scheduler: Scheduler = "own",
    timestep: int = 0,
    prediction: Prediction = "own",
    rank: int = 16,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    checkpointing: bool = True,
    inference_steps: int = 1,
    graph_steps: int = 1,
) -> SDXLOneStep:
    """The generator from `model`, a hub id or a local folder, with the parts and the step that are named."""
    _check_timestep(unet, timestep)
    model = model or MODEL
    parts = {"unet": _unet(model, unet, dtype)} if unet else {}
    pipe = hub.pipeline(StableDiffusionXLPipeline, model, device, dtype, **parts)
    if distillation_lora:
        _lora.merge(pipe, hub.file(distillation_lora, setting="distillation_lora"))
    kind, options = SCHEDULERS.get(scheduler, (type(pipe.scheduler), {}))
    predicts = {} if prediction == "own" else {"prediction_type": prediction}
    pipe.scheduler = kind.from_config(pipe.scheduler.config, **options, **predicts)
    return SDXLOneStep(
        pipe,
        timestep=timestep,
        rank=rank,
        checkpointing=checkpointing,
        inference_steps=inference_steps,
        graph_steps=graph_steps,
    )


def _check_timestep(unet: str, timestep: int) -> None:
    """Raise `UsageError` where the file of a U-Net was distilled for another timestep."""
    own = next((step for name, step in TIMESTEPS.items() if name.lower() in unet.lower()), timestep)
    if timestep != own:
        given = f"timestep={timestep}" if timestep else "no timestep"
        raise UsageError(
            f"unet={unet} was distilled for timestep={own} (its model card), and {given} was given, so its "
            f"images would be blurred or noise; give timestep={own}"
        )


def _unet(model: str, unet: str, dtype: torch.dtype) -> Any:
    """The U-Net `unet`; a single file has the shape that the config of `model` says."""
    if Path(unet).suffix in REFUSED:
        raise UsageError(
            f"unet={unet}: {Path(unet).suffix} is not read; give the .safetensors file of the same"
        )
    if Path(unet).suffix not in FILES:
        return hub.pretrained(UNet2DConditionModel, unet, setting="unet", dtype=dtype)
    config, path = hub.config(UNet2DConditionModel, model, "unet"), hub.file(unet, setting="unet")
    with torch.device("meta"):
        made = UNet2DConditionModel.from_config(config)
    found = hub.weights(path)
    try:
        made.load_state_dict(_renamed(found, config), assign=True)
    except (RuntimeError, KeyError) as error:
        raise RankkitError(
            f"{path} does not fit the U-Net of {model}{_what(found)}: {reason_of(error)}; give the weights "
            "of an SDXL U-Net, under diffusers' names or the original ones, and model=BASE that it was "
            "distilled from"
        ) from None
    if any(name.startswith(("conditioner.", "first_stage_model.")) for name in found):
        say(f"{path}: its U-Net alone is taken; text encoders and autoencoder are those of {model}")
    return torch.nn.Module.to(made, dtype).eval()


def _renamed(found: Mapping[str, Tensor], config: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """The weights of a U-Net under diffusers' names, where a file has the original ones, as all-in-one
    checkpoints and ComfyUI's files of a U-Net do.
    """
    starts = (ORIGINAL, "diffusion_model.", "")
    start = next((start for start in starts if f"{start}input_blocks.0.0.weight" in found), None)
    if start is None:
        return found
    named = {
        ORIGINAL + name.removeprefix(start): weight
        for name, weight in found.items()
        if name.startswith(start) and "model_ema." not in name
    }
    with hub.quiet():
        renamed: dict[str, Tensor] = convert_ldm_unet_checkpoint(named, config)
    if len(renamed) != len(named):
        raise RuntimeError(f"{len(renamed)} of its {len(named)} weights belong to a layer there")
    return renamed


def _what(weights: Mapping[str, Tensor]) -> str:
    """What a file of weights holds in place of a U-Net for SDXL, where its names tell."""
    for mark, words in MARKS.items():
        if any(mark in name for name in weights):
            return f", because it holds {words}"
    widths = {weight.shape[1] for name, weight in weights.items() if name.endswith("attn2.to_k.weight")}
    if widths & {768, 1024}:
        return ", because it holds a U-Net of Stable Diffusion 1 or 2 (generator=sd_turbo)"
    return ", because it holds an all-in-one checkpoint" if any(ORIGINAL in name for name in weights) else ""
