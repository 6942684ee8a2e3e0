"""A config to a trainer and the monitor that evaluates it: everything a run needs, built."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env

from drpo import build
from drpo.anchors import RankedAnchors
from drpo.config import Config
from drpo.data.prompts import prompts
from drpo.data.stored_pairs import StoredAnchors
from drpo.data.survey import survey
from drpo.run.memory import at_once
from drpo.run.monitor import Monitor
from drpo.train import Trainer
from drpo.types import Prompt
from drpo.waiting import Patient
from rankkit import Ranker, RankkitError
from rankkit.plugin import open_preferences, say

WATCHED = 8  # training prompts that a run is evaluated with when it names no others


def trainer(config: Config) -> tuple[Trainer, Monitor | None]:
    """Everything a config names, ready to run; the monitor in the main process only, so that held-out rankers
    are loaded once.
    """
    # chooses this process' GPU, for the ranker too; processes on CPUs find each other only where it is told
    PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available())
    if not config.ranker and not config.preferences:
        raise RankkitError(
            "there is nothing to learn from; give ranker=NAME, or preferences=FILE with chosen and rejected "
            "images"
        )
    if not config.preferences and not config.prompts.strip():
        raise RankkitError("there are no prompts to train on: prompts= is empty; give prompts=FILE")
    if config.offline != "images" and not config.preferences:
        raise RankkitError(
            f"offline={config.offline} says what preferences= do, and there are none; give preferences=FILE, "
            "or leave offline= out"
        )
    if config.ranker in config.held_out:
        say(f"held_out={config.ranker} is what the run is trained on: it holds nothing out")
    # files first: where one is wrong, nothing is loaded
    file = open_preferences(config.preferences) if config.preferences else None
    known = survey(file) if file else None
    given = [] if file else prompts(config.prompts)
    validation = prompts(config.validation) if config.validation else []
    judge, version = None, ""
    if config.ranker:
        ranker, version = build.versioned(config.ranker)
        judge = Patient(ranker, config.ranker, config.patience)
    torch.manual_seed(config.seed)  # the adapters' first weights
    made = build.generator(config)
    features = build.features(config, made)
    source: StoredAnchors | RankedAnchors
    if file is not None:
        source = StoredAnchors(file, config, made, features, known)
    else:
        assert judge is not None
        source = RankedAnchors(judge, config, given)
    learner = Trainer(config, made, features, source)
    processes = learner.accelerator.num_processes
    learner.at_once = at_once(config, made, features, -(-config.prompts_per_step // processes))
    asked = validation or _few(source.prompts)
    watched = monitor(config, judge, asked, version) if learner.accelerator.is_main_process else None
    return learner, watched


def monitor(config: Config, target: Ranker | None, asked: Sequence[Prompt], version: str = "") -> Monitor:
    """What watches a run: its own ranker, of this version, and the held-out ones, on the prompts that are
    asked for.
    """
    found = {config.ranker: (target, version)} if target else {}
    found |= {spec: build.versioned(spec) for spec in config.held_out}
    rankers = {spec: ranker for spec, (ranker, _) in found.items()}
    return Monitor(rankers, config.ranker, asked, versions={spec: of for spec, (_, of) in found.items()})


def _few(asked: Sequence[Prompt]) -> Sequence[Prompt]:
    """`WATCHED` of the training prompts, evenly taken from all."""
    return asked[:: max(1, len(asked) // WATCHED)][:WATCHED]
