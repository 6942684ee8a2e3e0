"""Names to objects, importing late: the generator, feature map and ranker that a `Config` names."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import os
import pkgutil
from types import ModuleType

import torch
from accelerate import PartialState

import rankkit
from drpo.config import Config
from drpo.features._concat import Chosen, Several
from drpo.settings import near
from drpo.types import FeatureMap, Generator
from rankkit import Ranker, UsageError
from rankkit.plugin import prepare

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
SHARED = ("one_step",)  # a module of `drpo.generators` that is no family
GENERATOR_SETTINGS = {  # and the families that have them
    **dict.fromkeys(("unet", "distillation_lora", "scheduler", "timestep", "prediction"), "sdxl_one_step"),
    **dict.fromkeys(
        ("inference_steps", "graph_steps"),
        "sd_turbo, sdxl_turbo, sdxl_one_step, z_image_turbo or flux2_klein",
    ),
    "image_size": "z_image_turbo or flux2_klein",
}


def generator(config: Config) -> Generator:
    """The generator of ``config.generator`` with fresh adapters, on this process' own GPU if there is one."""
    device = PartialState().device
    precision = (
        config.precision if config.precision != "auto" else "bf16" if device.type == "cuda" else "fp32"
    )
    family = _family("generators", config.generator)
    return family.load(
        config.model,
        rank=config.lora_rank,
        device=str(device),
        dtype=DTYPES[precision],
        checkpointing=config.checkpointing == "on",
        **_own_settings(config, family),
    )


def _own_settings(config: Config, family: ModuleType) -> dict[str, str | int]:
    """Those of `GENERATOR_SETTINGS` that were changed; raises `UsageError` for one the family does not
    take.
    """
    taken = inspect.signature(family.load).parameters
    defaults = {field.name: field.default for field in dataclasses.fields(Config)}
    changed = {
        name: getattr(config, name) for name in GENERATOR_SETTINGS if getattr(config, name) != defaults[name]
    }
    for name, value in changed.items():
        if name not in taken:
            raise UsageError(
                f"{name}={value}: generator={config.generator} has no such setting; leave it out, or take "
                f"generator={GENERATOR_SETTINGS[name]}"
            )
    return changed


def limit_threads(config: Config) -> None:
    """Give this process the threads that suit the generator on a CPU, unless ``OMP_NUM_THREADS`` says
    otherwise; for a program to call, before anything is loaded.
    """
    threads = getattr(_family("generators", config.generator), "THREADS", None)
    if threads and not torch.cuda.is_available() and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads)


def features(config: Config, generator: Generator) -> FeatureMap:
    """The feature map of ``config.features``, or all of ``a+b``, each with all its keys or with those that
    follow a colon; a map may look at candidates through the generator's own base.
    """
    parts = [part.partition(":") for part in config.features.split("+")]
    names = [name.strip() for name, _, _ in parts]
    keys = [tuple(key.strip() for key in given.split(",")) if colon else () for _, colon, given in parts]
    if len(set(names)) < len(names):
        raise UsageError(
            f"features={config.features} names a map twice; each sees the same candidates, so once is enough"
        )
    loads = {name: _family("features", name).load for name in names}
    weighted = [name for name, load in loads.items() if "model" in inspect.signature(load).parameters]
    if config.features_model and not weighted:
        raise UsageError(
            f"the feature map {config.features!r} has no weights of its own; leave features_model empty"
        )
    if config.features_model and len(weighted) > 1:
        raise UsageError(
            f"features_model names the weights of one map, and {' and '.join(weighted)} have some each; take "
            f"one of them"
        )
    model = {"model": config.features_model} if config.features_model else {}
    maps: dict[str, FeatureMap] = {
        name: load(generator, **(model if name in weighted else {})) for name, load in loads.items()
    }
    maps |= {name: Chosen(name, maps[name], some) for name, some in zip(names, keys, strict=True) if some}
    return Several(maps) if len(maps) > 1 else maps[names[0]]


def ranker(spec: str) -> Ranker:
    """The ranker a spec names, by rankkit's grammar."""
    return rankkit.load(spec)


def versioned(spec: str) -> tuple[Ranker, str]:
    """The ranker a spec names, and its version as rows of `rankkit score` state it; of one that is
    served also which it is and its options, as the spec does not tell.
    """
    found = prepare(spec)
    made, version = found.load(), found.identity.version
    served = getattr(getattr(made, "info", None), "name", "") if "://" in spec else ""
    return made, f"{served} {version} {dict(found.identity.options)}" if served else version


def _family(package: str, name: str) -> ModuleType:
    parent = importlib.import_module(f"drpo.{package}")
    modules = [module.name for module in pkgutil.iter_modules(parent.__path__)]
    known = [module for module in modules if not module.startswith("_") and module not in SHARED]
    if name not in known:
        raise UsageError(f"unknown {package[:-1]} {name!r}{near(name, known)}; there are {', '.join(known)}")
    return importlib.import_module(f"drpo.{package}.{name}")
