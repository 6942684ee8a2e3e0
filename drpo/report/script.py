"""The script of a model card: a trained LoRA in diffusers' own pipeline, in lines that anyone can paste."""

from __future__ import annotations

import importlib
from pathlib import Path

from drpo.config import Config
from drpo.hub import PIPELINES
from drpo.run.files import LORA
from rankkit import UsageError

CALLS = {  # what a generator's pipeline is called with beside the prompt
    "shapes": "num_inference_steps={steps}, guidance_scale=0.0",
    "sd_turbo": "num_inference_steps={steps}, guidance_scale=0.0",
    "sdxl_turbo": "num_inference_steps={steps}, guidance_scale=0.0",
    "sdxl_one_step": "num_inference_steps={steps}, guidance_scale=0.0{extra}",
    "sana_sprint": "num_inference_steps=1, intermediate_timesteps=None",
    "z_image_turbo": "num_inference_steps={steps}, guidance_scale=0.0{extra}",
    "flux2_klein": "num_inference_steps={steps}, guidance_scale=1.0{extra}",
}


def base(config: Config, given: str = "") -> str:
    """The base model's hub id: `given`, or what the config names; raises `UsageError` for a folder here."""
    if config.generator not in CALLS:
        raise UsageError(
            f"generator={config.generator}: drpo push knows how to sample {', '.join(CALLS)}; upload the "
            f"run's {LORA} by hand"
        )
    family = importlib.import_module(f"drpo.generators.{config.generator}")
    name = given or config.model or getattr(family, "MODEL", "")
    if name and (name.startswith((".", "/", "~")) or Path(name).is_dir() or name.count("/") != 1):
        raise UsageError(
            f"model={name} is a folder here, which nobody else has; say by --base owner/name which model of "
            "the hub it is"
        )
    return str(name)


def script(config: Config, repository: str, model: str) -> str:
    """Python that samples one image of `repository`, a LoRA on `model`; an empty one is the built-in."""
    kind = PIPELINES[config.generator]
    call = CALLS[config.generator].format(steps=config.inference_steps, extra=_extra(config))
    head, parts, after = _one_step(config, model) if config.generator == "sdxl_one_step" else ([], "", [])
    if not model:
        head, where = ["from drpo.generators.shapes import WEIGHTS"], "WEIGHTS"
    else:
        where = f'"{model}"'
    lines = [
        "import torch",
        f"from diffusers import {kind}",
        *head,
        "",
        f"pipe = {kind}.from_pretrained({where}, {parts}torch_dtype=torch.bfloat16)",
        *after,
        f'pipe.load_lora_weights("{repository}", weight_name="{LORA}")',
        'pipe.to("cuda" if torch.cuda.is_available() else "cpu")',
        f'image = pipe(prompt="a red circle", {call}).images[0]',
        'image.save("image.png")',
    ]
    return "\n".join(lines) + "\n"


def _extra(config: Config) -> str:
    """What the call is told beside the steps: a timestep, or a size."""
    if config.timestep:
        return f", timesteps=[{config.timestep}]"
    return f", height={config.image_size}, width={config.image_size}" if config.image_size else ""


def _one_step(config: Config, model: str) -> tuple[list[str], str, list[str]]:
    """For SDXL distilled elsewhere: imports and the U-Net, the pipeline's argument, and what follows it."""
    from drpo.generators.sdxl_one_step import FILES, SCHEDULERS

    head, parts, after = list[str](), "", list[str]()
    if config.unet and Path(config.unet).suffix in FILES:
        head = [
            "from diffusers import UNet2DConditionModel",
            "from huggingface_hub import hf_hub_download",
            "",
            "unet = UNet2DConditionModel.from_single_file(",
            f'    {_path(config.unet)}, config="{model}", subfolder="unet",',
            "    torch_dtype=torch.bfloat16)",
        ]
    elif config.unet:
        head = [
            "from diffusers import UNet2DConditionModel",
            "",
            f'unet = UNet2DConditionModel.from_pretrained("{config.unet}", torch_dtype=torch.bfloat16)',
        ]
    parts = "unet=unet, " if config.unet else ""
    if config.distillation_lora:
        head += _download(config.distillation_lora)
        after = [f"pipe.load_lora_weights({_read(config.distillation_lora)})", "pipe.fuse_lora()",
                 "pipe.unload_lora_weights()"]  # fmt: skip
    if config.scheduler != "own" or config.prediction != "own":
        kind, options = SCHEDULERS.get(config.scheduler, (None, {}))
        predicts = {} if config.prediction == "own" else {"prediction_type": config.prediction}
        said = "".join(f', {name}="{value}"' for name, value in {**options, **predicts}.items())
        name = kind.__name__ if kind else "type(pipe.scheduler)"
        head = [f"from diffusers import {name}", *head] if kind else head
        after.append(f"pipe.scheduler = {name}.from_config(pipe.scheduler.config{said})")
    return head, parts, after


def _download(name: str) -> list[str]:
    """The imports that `_read` of this file needs."""
    reader = ["from safetensors.torch import load_file"] if name.endswith(".safetensors") else []
    return ["from huggingface_hub import hf_hub_download", *reader]


def _read(name: str) -> str:
    """The expression that gives the weights of a file on the hub."""
    if name.endswith(".safetensors"):
        return f"load_file({_path(name)})"
    return f'torch.load({_path(name)}, map_location="cpu", weights_only=True)'


def _path(name: str) -> str:
    """The expression that downloads a file of the hub."""
    *repository, inside = name.split("/", 2)
    if len(repository) < 2 or Path(name).exists():
        raise UsageError(
            f"{name} is a file here, which nobody else has; upload it to the hub, and train with it as "
            "owner/repository/file"
        )
    return f'hf_hub_download("{"/".join(repository)}", "{inside}")'
