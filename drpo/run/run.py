"""A run and its folder: train to the last step, evaluate from time to time, keep what is needed to go on,
never lose the last good state.

A run folder holds ``config.json``, ``log.jsonl`` (a row per step), ``evaluations.jsonl``, ``sample_grids/``
(images before and after), ``images/`` (the same ones at full size), ``checkpoints/``, ``best/`` (the LoRA of
the best evaluation by held-out rankers) and, at the end, ``pytorch_lora_weights.safetensors``.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch
from safetensors import SafetensorError

from drpo.run.folder import RunFolder
from drpo.run.monitor import Monitor
from drpo.run.tracking import tracked
from drpo.train import Trainer
from drpo.types import LogRow
from drpo.waiting import STOPPED
from rankkit import RankkitError


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: the last alarm of its monitor, in words or empty, whether it was interrupted before
    its last step, what is to be said of steps without any ranking, where they are more than a tenth, or of a
    run without any preference, and that no evaluation was better than the base, where none was.
    """

    alarm: str = ""
    interrupted: bool = False
    skipped: str = ""
    unimproved: str = ""


def run(
    trainer: Trainer,
    out: Path,
    *,
    monitor: Monitor | None = None,
    watch: Callable[[LogRow], None] = lambda row: None,
    tracker: str = "none",
) -> Ending:
    """Train to the configured step in the folder `out`, resuming what is there, and write the averaged LoRA
    into it.

    Ctrl-C and SIGTERM let the step end (a second one does not); after such an interruption the checkpoint is
    all that is written. `watch` sees every step's row; `monitor` is asked in the main process only. Raises
    `RankkitError` when the folder belongs to another config or cannot be written, and when the ranker fails;
    what was trained until then is kept.
    """
    folder = RunFolder(trainer, out, monitor)
    with _written(out), folder.alone(), interruptions() as interrupted:
        folder.resume()
        with tracked(tracker, out, trainer.config) as track:
            alarm = folder.alarm(track)
            while trainer.steps_done < trainer.config.steps and not folder.ended(alarm, interrupted()):
                with folder.kept():
                    row = trainer.step()
                watch(row)
                folder.log(row, track)
                if folder.due(trainer.config.eval_every):
                    with folder.kept():
                        alarm = folder.evaluate(track)
                if folder.due(trainer.config.checkpoint_every):
                    folder.save()
            folder.save()
        unfinished = folder.ended("", interrupted()) and trainer.steps_done < trainer.config.steps
        if not unfinished:
            folder.finish()
    _leave_together(trainer)
    if unfinished:
        return Ending(interrupted=True)
    return Ending(alarm, skipped=folder.skipped(), unimproved=folder.unimproved())


@contextmanager
def interruptions() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C or SIGTERM came; the first one is only noted, and ends the
    wait for a ranker, a second one acts as usual.
    """
    noted, handled = STOPPED, (signal.SIGINT, signal.SIGTERM)
    noted.clear()

    def note(number: int, frame: FrameType | None) -> None:
        noted.set()
        for one in handled:
            signal.signal(one, before[one])
        print("stopping after this step; once more stops at once", file=sys.stderr)

    if threading.current_thread() is not threading.main_thread():  # signals reach the main thread alone
        yield lambda: False
        return
    before = {one: signal.signal(one, note) for one in handled}
    try:
        yield noted.is_set
    finally:
        noted.clear()
        for one in handled:
            signal.signal(one, before[one])


def _leave_together(trainer: Trainer) -> None:
    """Wait until all processes have come this far: one that just leaves takes its group down with it."""
    trainer.accelerator.wait_for_everyone()
    if trainer.accelerator.num_processes > 1:
        torch.distributed.destroy_process_group()


@contextmanager
def _written(out: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:  # which a full disk makes safetensors raise
        what = getattr(error, "strerror", None) or error
        raise RankkitError(
            f"the run folder {out} cannot be written: {what}; free space or choose another out=, and give "
            f"the command again"
        ) from error
