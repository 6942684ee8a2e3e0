"""Checkpoints: the full state of a training on disk, from which it goes on exactly.

A checkpoint counts only with its marker, which is written last; the one before it stays until then.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drpo.config import Config
from drpo.run.files import BEST, EVALUATIONS, GRIDS, LOG, LORA
from drpo.settings import up_to_date
from rankkit import RankkitError
from rankkit.plugin import reason_of, replacing_file

MARKER = "complete"
STATE = "state.pt"
CONFIG = "config.json"
# what a run writes over, adds to, or removes
WRITTEN = (LOG, EVALUATIONS, GRIDS, BEST, "checkpoints", LORA, "report.html")
MAY_CHANGE = ("steps", "on_alarm", "patience")  # of a config when a run goes on


def save(run: Path, step: int, state: Mapping[str, Any]) -> Path:
    """Write `state` as ``RUN/checkpoints/000040`` and then drop older ones.

    Raises `RankkitError` when it cannot, older ones and an earlier one of this step intact.
    """
    folder = run / "checkpoints" / f"{step:06d}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing_file(folder / STATE) as part, open(part, "wb") as file:
            torch.save(dict(state), file)
            file.flush()
            os.fsync(file.fileno())
        (folder / MARKER).write_text(f"{step}\n")
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        if not (folder / MARKER).is_file():
            shutil.rmtree(folder, ignore_errors=True)
        why = "no space is left on its disk" if "unexpected pos" in str(error) else error
        kept = latest(run)
        before = f"the last good one is {kept}" if kept else "there is none before it"
        raise RankkitError(
            f"the checkpoint of step {step} cannot be saved in {folder}: {why}; {before}; free space and "
            "give the command again"
        ) from error
    for older in folder.parent.iterdir():
        if older != folder:
            shutil.rmtree(older, ignore_errors=True)
    return folder


def latest(run: Path) -> Path | None:
    """The newest complete checkpoint of a run, or None."""
    folders = sorted((run / "checkpoints").glob("[0-9]*"), reverse=True)
    return next((folder for folder in folders if (folder / MARKER).is_file()), None)


def load(folder: Path) -> dict[str, Any]:
    """The state of a complete checkpoint; only tensors and plain values are unpickled."""
    try:
        state: dict[str, Any] = torch.load(folder / STATE, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged file makes torch raise
        raise RankkitError(
            f"the checkpoint {folder} cannot be read: {reason_of(error)[:200]}; {_without(folder)}"
        ) from error
    if "looks" in state:  # what earlier versions called evaluations
        state["evaluations"] = state.pop("looks")
    return state


def _without(folder: Path) -> str:
    """What becomes of a run without one of its checkpoints, in words."""
    others = sorted(one.parent for one in folder.parent.glob(f"*/{MARKER}") if one.parent != folder)
    return f"delete it to go on from {others[-1]}" if others else "delete it to begin the run anew"


def check_fits(folder: Path, state: Mapping[str, Any], weights: Sequence[Tensor]) -> None:
    """Raise `RankkitError` where a checkpoint's state is not that of training these weights."""
    lacking = sorted({"step", "weights", "average", "optimizer", "scaler"} - state.keys())
    if lacking:
        raise RankkitError(f"the checkpoint {folder} lacks {', '.join(lacking)}; {_without(folder)}")
    ours = [tuple(weight.shape) for weight in weights]
    for name in ("weights", "average"):
        theirs = [tuple(weight.shape) for weight in state[name]]
        if theirs != ours:
            pairs = zip(theirs, ours, strict=False)
            other = next((f", the first other one {a} in place of {b}" for a, b in pairs if a != b), "")
            raise RankkitError(
                f"the checkpoint {folder} is of another base: it holds {len(theirs)} weights, and "
                f"{len(ours)} are trained here{other}; put the base back that the run began with, or give "
                "another out="
            )


def check_finite(weights: Sequence[Tensor], config: Config) -> None:
    """Raise `RankkitError` where the weights of a run that ended are no numbers any more."""
    if not all(bool(weight.isfinite().all()) for weight in weights):
        raise RankkitError(
            f"the weights are not all finite numbers after {config.steps} steps, so no LoRA is written; "
            f"begin anew in another out= with a learning_rate below {config.learning_rate:g}"
        )


def check_prompts(folder: Path, state: Mapping[str, Any], name: str, prompts: Mapping[str, Any]) -> None:
    """Raise `RankkitError` where a run would go on with other prompts than those kept under `name`: what is
    learned depends on all of them and their order, and evaluations of other prompts do not compare.
    """
    before = state.get(name)  # of which earlier versions kept less, or nothing
    if before is not None and before != {key: prompts.get(key) for key in before}:
        what = "preferences" if "preferred" in prompts else "prompts"
        raise RankkitError(
            f"the checkpoint {folder} was made with {before['count']} {what} ({name}), and there are other "
            f"ones now ({prompts['count']}): a run that goes on needs those that it began with; put them "
            "back, or give another out="
        )


def check_rankers(folder: Path, state: Mapping[str, Any], versions: Mapping[str, str]) -> None:
    """Raise `RankkitError` where a run would go on with another version of one of its rankers."""
    before = state.get("rankers", {})  # which earlier versions did not keep
    for name, now in versions.items():
        if (then := before.get(name, now)) != now:
            raise RankkitError(
                f"the checkpoint {folder} was made with {name} of version {then}, and it is {now} now: a run "
                "that goes on needs the one that it began with; put it back, or give another out="
            )


def claim(run: Path, config: Mapping[str, Any]) -> None:
    """Make `run` the folder of a run with this config, or refuse one that belongs to another, as `check`
    does.
    """
    check(run, config, say=True)
    run.mkdir(parents=True, exist_ok=True)
    with replacing_file(run / CONFIG) as part:
        part.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def _check_free(run: Path) -> None:
    """Refuse a folder that is no run and holds what a run would write over or remove, and what is none."""
    above = next(path for path in (run.absolute(), *run.absolute().parents) if os.path.lexists(path))
    if not above.is_dir() or not os.access(above, os.W_OK):
        why = "cannot be written" if above.is_dir() else "is no folder"
        raise RankkitError(f"out={run}: {above} {why}; choose another out=")
    taken = [name for name in WRITTEN if (run / name).exists()]
    if taken:
        raise RankkitError(
            f"{run} holds {', '.join(taken)} and no {CONFIG}, so it is no run of drpo; choose another out="
        )


def check(run: Path, config: Mapping[str, Any], *, say: bool = False) -> None:
    """Raise `RankkitError` when `run` belongs to a run with another config; only `MAY_CHANGE` may differ.

    With `say`, a line tells of each field that an earlier version called otherwise.
    """
    if not (run / CONFIG).is_file():
        _check_free(run)
        return
    done, steps = latest(run), int(config["steps"])
    if not done and (run / LORA).is_file():
        raise RankkitError(
            f"{run} holds {LORA} of a run that ended, and no checkpoint to go on from; put its checkpoints/ "
            "back, or choose another out="
        )
    if done and int(done.name) > steps:
        raise RankkitError(
            f"{run} has been trained for {int(done.name)} steps, and steps={steps} is less; give at least as "
            "many, or another out="
        )
    before, plain = _defaults() | read(run, say=say), json.loads(json.dumps(config))
    names = [name for name in dict.fromkeys([*plain, *before]) if name not in MAY_CHANGE]
    changed = [
        f"{name} was {before.get(name)!r} and is {plain.get(name)!r}"
        for name in names
        if before.get(name) != plain.get(name)
    ]
    if changed:
        raise RankkitError(
            f"{run} belongs to a run with another config ({', '.join(changed)}); choose another out=, or "
            f"delete it"
        )


def _defaults() -> dict[str, Any]:
    """What fields have that a run of an earlier version did not write, as plain values."""
    known = {
        field.name: field.default
        for field in dataclasses.fields(Config)
        if field.default is not dataclasses.MISSING
    }
    return json.loads(json.dumps(known))


def read(run: Path, *, say: bool = False) -> dict[str, Any]:
    """The config a run folder was made with, as plain values under their present names.

    With `say`, a line tells of each that an earlier version called otherwise. Raises `RankkitError` for what
    is no run folder.
    """
    try:
        values = json.loads((run / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise RankkitError(
            f"{run / CONFIG} is damaged ({reason_of(error)}); put it back as it was, or choose another out="
        ) from None
    except OSError as error:
        raise RankkitError(
            f"{run} is not a run folder ({error}); train one with `drpo train shapes out={run}`"
        ) from None
    if not isinstance(values, dict):
        raise RankkitError(f"{run / CONFIG} is not the config of a run; choose another out=, or delete it")
    return dict(up_to_date(name, value, say=say) for name, value in values.items())
