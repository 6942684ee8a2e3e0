"""Names to things, importing late: the generator, feature map, ranker and prompts that a `Config` names."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
from pathlib import Path
from types import ModuleType

import torch

import rankkit
from drpo.config import Config, near
from drpo.sample import FeatureMap, Generator
from drpo.shapes import world
from rankkit import Ranker, RankkitError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
SHARED = ("patches", "resnet_mae", "resnet_weights")  # files of a family that are not members of it


def generator(config: Config) -> Generator:
    """The generator of ``config.generator`` with fresh adapters, on this process' GPU if there is one."""
    gpu = torch.cuda.is_available()
    device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if gpu else "cpu"  # which accelerate and torchrun tell every process
    precision = config.precision if config.precision != "auto" else "bf16" if gpu else "fp32"
    family = _family("generators", config.generator)
    made: Generator = family.load(config.model, rank=config.lora_rank, device=device, dtype=DTYPES[precision])
    return made


def features(config: Config, generator: Generator) -> FeatureMap:
    """The feature map of ``config.features``, which may look at candidates through the generator's own base."""
    load = _family("features", config.features).load
    if config.features_model and "model" not in inspect.signature(load).parameters:
        raise RankkitError(f"the feature map {config.features!r} has no weights of its own; leave features_model empty")
    made: FeatureMap = load(generator, **({"model": config.features_model} if config.features_model else {}))
    return made


def ranker(spec: str) -> Ranker:
    """The ranker a spec names, by rankkit's grammar."""
    return rankkit.load(spec)


def prompts(name: str) -> list[str]:
    """The lines of a prompt file, empty ones left out; ``shapes`` names the built-in training prompts."""
    if name == "shapes":
        return world.prompts("train")
    path = Path(name)
    if not path.is_file():
        raise RankkitError(f"there is no prompt file {name!r}; give a text file with one prompt per line")
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not lines:
        raise RankkitError(f"the prompt file {name!r} is empty; it holds one prompt per line")
    return lines


def _family(package: str, name: str) -> ModuleType:
    parent = importlib.import_module(f"drpo.{package}")
    known = [module.name for module in pkgutil.iter_modules(parent.__path__) if module.name not in SHARED]
    if name not in known:
        raise RankkitError(f"unknown {package[:-1]} {name!r}{near(name, known)}; there are {', '.join(known)}")
    return importlib.import_module(f"drpo.{package}.{name}")
