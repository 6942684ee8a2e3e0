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
from torch import Tensor

from drpo import hub
from drpo.choices import Prediction, Scheduler
from drpo.generators import _lora
from drpo.generators.sdxl_turbo import SDXLTurbo
from rankkit import RankkitError, UsageError

MODEL = "stabilityai/stable-diffusion-xl-base-1.0"
FILES = (".safetensors", ".bin", ".pt", ".pth")
MARKS = {  # in the names of weights, and what has such
    "lora": "a LoRA (give it as distillation_lora=)",
    "model.diffusion_model.": "an all-in-one checkpoint",
    "double_blocks.": "a transformer of the FLUX family",
    "joint_blocks.": "a transformer of Stable Diffusion 3",
    "noise_refiner.": "a transformer of the Z-Image family",
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
    if Path(unet).suffix not in FILES:
        return hub.pretrained(UNet2DConditionModel, unet, setting="unet", dtype=dtype)
    config, path = hub.config(UNet2DConditionModel, model, "unet"), hub.file(unet, setting="unet")
    with torch.device("meta"):
        made = UNet2DConditionModel.from_config(config)
    found = hub.weights(path)
    try:
        made.load_state_dict(found, assign=True)
    except RuntimeError as error:
        raise RankkitError(
            f"{path} does not fit the U-Net of {model}{_what(found)}: "
            f"{' '.join(str(error).split())[:300]}; give the "
            "weights of a U-Net alone, as diffusers names them (no all-in-one checkpoint), and model=BASE "
            "that it was distilled from"
        ) from None
    return torch.nn.Module.to(made, dtype).eval()


def _what(weights: Mapping[str, Tensor]) -> str:
    """What a file of weights holds in place of a U-Net for SDXL, where its names tell."""
    for mark, words in MARKS.items():
        if any(mark in name for name in weights):
            return f", because it holds {words}"
    widths = {weight.shape[1] for name, weight in weights.items() if name.endswith("attn2.to_k.weight")}
    old = widths & {768, 1024}
    return ", because it holds a U-Net of Stable Diffusion 1 or 2 (generator=sd_turbo)" if old else ""
