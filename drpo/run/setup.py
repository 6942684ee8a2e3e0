"""A config to a trainer and the monitor that evaluates it: everything a run needs, built."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import PartialState

from drpo import build
from drpo.config import Config
from drpo.data import stored_pairs
from drpo.data.prompts import prompts
from drpo.run.monitor import Monitor
from drpo.train import Trainer
from rankkit import Ranker, RankkitError

LOOKED_AT = 8  # training prompts that a run is looked at with when it names no others


def trainer(config: Config) -> tuple[Trainer, Monitor | None]:
    """Everything a config names, ready to run; the monitor in the main process only, so that held-out rankers
    are loaded once.
    """
    PartialState()  # chooses this process' GPU, for the ranker too
    judge = build.ranker(config.ranker) if config.ranker else None
    choices = stored_pairs.read(Path(config.preferences)) if config.preferences else []
    asked = list(dict.fromkeys(choice.prompt for choice in choices)) or prompts(config.prompts)
    torch.manual_seed(config.seed)  # the adapters' first weights
    made = build.generator(config)
    if choices:
        learner: Trainer = stored_pairs.OfflineTrainer(config, made, build.features(config, made), choices)
    elif judge:
        learner = Trainer(config, made, build.features(config, made), judge, asked)
    else:
        raise RankkitError(
            "there is nothing to learn from; give ranker=NAME, or preferences=FILE with chosen and rejected pictures"
        )
    return learner, monitor(config, judge, asked) if learner.accelerator.is_main_process else None


def monitor(config: Config, target: Ranker | None, asked: Sequence[str]) -> Monitor:
    """What watches a run: its own ranker and the held-out ones, on the validation prompts or a few of the
    training prompts.
    """
    rankers = {config.ranker: target} if target else {}
    rankers |= {spec: build.ranker(spec) for spec in config.held_out}
    few = asked[:: max(1, len(asked) // LOOKED_AT)][:LOOKED_AT]
    return Monitor(rankers, config.ranker, prompts(config.validation) if config.validation else few)
