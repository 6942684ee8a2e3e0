"""Names to things, importing late: the generator, feature map, ranker and prompts that a `Config` names."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import torch
from accelerate import PartialState

import rankkit
from drpo import offline
from drpo.config import Config, near
from drpo.features.several import Several
from drpo.monitor import Monitor
from drpo.sample import FeatureMap, Generator
from drpo.shapes import world
from drpo.train import Trainer
from rankkit import Ranker, RankkitError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
WORLD: dict[str, world.Split] = {"shapes": "train", "shapes-tuning": "tuning", "shapes-final": "final"}
LOOKED_AT = 8  # training prompts that a run is looked at with when it names no others
SHARED = ("patches", "resnet_mae", "resnet_weights", "several")  # files of a family that are not members of it


def generator(config: Config) -> Generator:
    """The generator of ``config.generator`` with fresh adapters, on this process' own GPU if there is one."""
    device = PartialState().device
    precision = config.precision if config.precision != "auto" else "bf16" if device.type == "cuda" else "fp32"
    family = _family("generators", config.generator)
    if device.type == "cpu" and hasattr(family, "THREADS") and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(family.THREADS)
    made: Generator = family.load(config.model, rank=config.lora_rank, device=str(device), dtype=DTYPES[precision])
    return made


def features(config: Config, generator: Generator) -> FeatureMap:
    """The feature map of ``config.features``, or all of ``a+b``; a map may look at candidates through the generator's own base."""
    names = [name.strip() for name in config.features.split("+")]
    if len(set(names)) < len(names):
        raise RankkitError(f"features={config.features} names a map twice; each sees the same candidates, so once is enough")
    loads = {name: _family("features", name).load for name in names}
    weighted = [name for name, load in loads.items() if "model" in inspect.signature(load).parameters]
    if config.features_model and not weighted:
        raise RankkitError(f"the feature map {config.features!r} has no weights of its own; leave features_model empty")
    if config.features_model and len(weighted) > 1:
        raise RankkitError(f"features_model names the weights of one map, and {' and '.join(weighted)} have some each; take one of them")
    model = {"model": config.features_model} if config.features_model else {}
    maps: dict[str, FeatureMap] = {name: load(generator, **(model if name in weighted else {})) for name, load in loads.items()}
    return Several(maps) if len(maps) > 1 else maps[names[0]]


def ranker(spec: str) -> Ranker:
    """The ranker a spec names, by rankkit's grammar."""
    return rankkit.load(spec)


def trainer(config: Config) -> tuple[Trainer, Monitor | None]:
    """Everything a config names, ready to run; the monitor in the main process only, so that held-out rankers are loaded once."""
    PartialState()  # chooses this process' GPU, for the ranker too
    judge = ranker(config.ranker) if config.ranker else None
    choices = offline.read(Path(config.preferences)) if config.preferences else []
    asked = list(dict.fromkeys(choice.prompt for choice in choices)) or prompts(config.prompts)
    torch.manual_seed(config.seed)  # the adapters' first weights
    made = generator(config)
    if choices:
        learner: Trainer = offline.OfflineTrainer(config, made, features(config, made), choices)
    elif judge:
        learner = Trainer(config, made, features(config, made), judge, asked)
    else:
        raise RankkitError("there is nothing to learn from; give ranker=NAME, or preferences=FILE with chosen and rejected pictures")
    return learner, monitor(config, judge, asked) if learner.accelerator.is_main_process else None


def monitor(config: Config, target: Ranker | None, asked: Sequence[str]) -> Monitor:
    """What watches a run: its own ranker and the held-out ones, on the validation prompts or a few of the training prompts."""
    rankers = {config.ranker: target} if target else {}
    rankers |= {spec: ranker(spec) for spec in config.held_out}
    few = asked[:: max(1, len(asked) // LOOKED_AT)][:LOOKED_AT]
    return Monitor(rankers, config.ranker, prompts(config.validation) if config.validation else few)


def prompts(name: str) -> list[str]:
    """The lines of a prompt file, empty ones left out; ``shapes``, ``shapes-tuning`` and ``shapes-final`` are built in."""
    if name in WORLD:
        return world.prompts(WORLD[name])
    path = Path(name)
    if not path.exists() or path.is_dir():  # a pipe is as good as a file
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
