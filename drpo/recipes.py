"""Recipes: functions that return a `Config`.

To add one, add a function; its first docstring line is what ``drpo recipes`` prints.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from drpo.config import Config
from drpo.settings import near
from rankkit.errors import UsageError

Recipe = Callable[[], Config]


def shapes() -> Config:
    """The built-in shapes world: learns on a CPU in minutes, nothing to download."""
    return Config(
        generator="shapes",
        ranker="shapes",
        prompts="shapes",
        features="latent_mae:std_2+latent",
        steps=160,
        prompts_per_step=4,
        group_size=32,
        anchors=8,
        ranked="with_base",
        field="self_excluding",
        reference_weight=0.4,
        learning_rate=3e-3,
        beta2=0.99,
        ema=0.98,
        checkpoint_every=40,
        held_out=("shapes:mode=strict",),
        validation="shapes-tuning",
        eval_every=40,
    )


def shapes_offline() -> Config:
    """The shapes world from chosen and rejected images on disk, no ranker asked; give preferences=FILE."""
    return replace(
        shapes(),
        ranker="",
        preferences="preferences.jsonl",
        features="latent_mae",
        anchors=12,
        ranked="candidates",
        field="official",
        reference_weight=0.2,
    )


def sd_turbo() -> Config:
    """SD-Turbo with PickScore, in the authors' settings; give prompts=FILE and features_model=FILE."""
    return Config(
        generator="sd_turbo",
        ranker="pickscore",
        prompts="prompts.txt",
        steps=1000,
        features="latent_mae",
        held_out=("clip",),
    )


def sd_turbo_offline() -> Config:
    """SD-Turbo from chosen and rejected images on disk, no ranker asked; give preferences=FILE."""
    return replace(sd_turbo(), ranker="", preferences="preferences.jsonl")


def sd_turbo_geneval() -> Config:
    """SD-Turbo with the 0/1 reward of GenEval: candidates are searched until some pass and some fail."""
    return replace(sd_turbo(), ranker="geneval", max_rounds=4)


def hpsv3() -> Config:
    """SD-Turbo with HPSv3, the authors' costliest reward."""
    return replace(sd_turbo(), ranker="hpsv3")


def sdxl_turbo_mae() -> Config:
    """SDXL-Turbo with ViT-MAE features of the decoded images."""
    return Config(
        generator="sdxl_turbo",
        ranker="pickscore",
        prompts="prompts.txt",
        features="vit_mae",
        group_size=16,
        reduce="mean",
        learning_rate=1e-5,
        steps=5000,
        held_out=("clip",),
    )


def sdxl_turbo_unet() -> Config:
    """SDXL-Turbo with the frozen base U-Net's activations: no decoding in the gradient's way."""
    return replace(
        sdxl_turbo_mae(), features="teacher_unet", negative_weight=2000.0, reference_weight=0.25,
        reference_positive_weight=3500.0, reference_negative_weight=5000.0,
    )  # fmt: skip


def sdxl_hyper() -> Config:
    """Hyper-SDXL, the one-step U-Net (timestep 800); licence: LICENSE.md of ByteDance/Hyper-SD."""
    return _sdxl_one_step(
        unet="ByteDance/Hyper-SD/Hyper-SDXL-1step-Unet.safetensors", scheduler="lcm", timestep=800
    )


def sdxl_hyper_lora() -> Config:
    """Hyper-SDXL as a LoRA on SDXL, for models that are SDXL finetunes too; licence as sdxl_hyper."""
    return _sdxl_one_step(
        distillation_lora="ByteDance/Hyper-SD/Hyper-SDXL-1step-lora.safetensors", scheduler="tcd"
    )


def sdxl_dmd2() -> Config:
    """DMD2, the one-step U-Net (timestep 399); licence: CC BY-NC 4.0, not for commercial use."""
    return _sdxl_one_step(unet="tianweiy/DMD2/dmd2_sdxl_1step_unet_fp16.bin", scheduler="lcm", timestep=399)


def sdxl_lightning() -> Config:
    """SDXL-Lightning, the one-step U-Net, which predicts the image itself; licence: OpenRAIL++."""
    return _sdxl_one_step(
        unet="ByteDance/SDXL-Lightning/sdxl_lightning_1step_unet_x0.safetensors", scheduler="euler",
        prediction="sample",
    )  # fmt: skip


def sdxl_turbo_four_steps() -> Config:
    """SDXL-Turbo in four steps, the gradient through the last alone: see Few steps in docs/training.md."""
    return replace(sdxl_turbo_mae(), inference_steps=4)


def sdxl_lcm_four_steps() -> Config:
    """SDXL with the LCM LoRA in four steps, as sdxl_turbo_four_steps; licence: OpenRAIL++."""
    lora = "latent-consistency/lcm-lora-sdxl/pytorch_lora_weights.safetensors"
    return _sdxl_one_step(distillation_lora=lora, scheduler="lcm", inference_steps=4)


def sana_sprint() -> Config:
    """SANA-Sprint 0.6B; licence: its model card's (NVIDIA), and Gemma's terms for the text encoder."""
    return replace(sdxl_turbo_mae(), generator="sana_sprint")


def z_image_turbo() -> Config:
    """Z-Image-Turbo (6B) in its eight steps, the gradient through the last alone; licence: Apache 2.0."""
    return replace(
        sdxl_turbo_mae(),
        generator="z_image_turbo",
        inference_steps=8,
        image_size=1024,
        group_size=8,
        anchors=4,
    )


def flux2_klein() -> Config:
    """FLUX.2-klein 4B in its four steps, as z_image_turbo; licence: Apache 2.0 (9B: not commercial)."""
    return replace(z_image_turbo(), generator="flux2_klein", inference_steps=4)


def _sdxl_one_step(**parts: Any) -> Config:
    """SDXL with the parts that make it a one-step generator, in the settings of SDXL-Turbo."""
    return replace(sdxl_turbo_mae(), generator="sdxl_one_step", **parts)


def recipes() -> dict[str, Recipe]:
    """Every recipe by name, in the order of this file."""
    functions = inspect.getmembers(sys.modules[__name__], inspect.isfunction)
    made_here = {name: function for name, function in functions if inspect.signature(function) == _RECIPE}
    return dict(sorted(made_here.items(), key=lambda item: item[1].__code__.co_firstlineno))


def recipe(name: str) -> Config:
    """The config of the named recipe; raises `UsageError` with the nearest name."""
    known = recipes()
    if name not in known:
        raise UsageError(f"unknown recipe {name!r}{near(name, known)}; the recipes are {', '.join(known)}")
    return known[name]()


_RECIPE = inspect.Signature(return_annotation="Config")
