"""A run and its folder: train to the last step, look from time to time, keep what is needed to go on, never
lose the last good state.

A run folder holds ``config.json``, ``log.jsonl`` (a row per step), ``looks.jsonl``, ``strips/`` (pictures
before and after), ``checkpoints/``, ``best/`` (the LoRA of the best look by held-out rankers) and, at the
end, ``pytorch_lora_weights.safetensors``.
"""

from __future__ import annotations

import json
import math
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from drpo.run import checkpoint
from drpo.run.monitor import Monitor
from drpo.run.sample_grid import strip
from drpo.run.tracking import Track, tracked
from drpo.train import Trainer
from drpo.types import Row
from rankkit import RankkitError

LOG, LOOKS, STRIPS, BEST = "log.jsonl", "looks.jsonl", "strips", "best"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: the last alarm of its monitor, in words or empty, and whether it was interrupted
    before its last step.
    """

    alarm: str = ""
    interrupted: bool = False


def run(
    trainer: Trainer,
    out: Path,
    *,
    monitor: Monitor | None = None,
    watch: Callable[[Row], None] = lambda row: None,
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
    with _written(out), interruptions() as interrupted:
        folder.resume()
        with tracked(tracker, out, trainer.config) as track:
            alarm = folder.alarm(track)
            while trainer.steps_done < trainer.config.steps and not folder.ended(alarm, interrupted()):
                with folder.kept():
                    row = trainer.step()
                watch(row)
                folder.log(row, track)
                if folder.due(trainer.config.look_every):
                    alarm = folder.look(track)
                if folder.due(trainer.config.checkpoint_every):
                    folder.save()
            folder.save()
        unfinished = folder.ended("", interrupted()) and trainer.steps_done < trainer.config.steps
        if not unfinished:
            folder.finish()
    _part(trainer)
    return Ending("" if unfinished else alarm, unfinished)


class RunFolder:
    """What is written of a run, by its main process alone."""

    def __init__(self, trainer: Trainer, out: Path, monitor: Monitor | None) -> None:
        self.trainer, self.out = trainer, out
        self.main = trainer.accelerator.is_main_process
        self.monitor = monitor if self.main else None
        self.saved = -1
        self.warned = False

    def resume(self) -> None:
        """Claim the folder and go on from its newest complete checkpoint; rows written after it are
        forgotten, as they come again.
        """
        if self.main:
            checkpoint.claim(self.out, asdict(self.trainer.config))
        self.trainer.accelerator.wait_for_everyone()
        if found := checkpoint.latest(self.out):
            state = checkpoint.load(found)
            self.trainer.restore(state)
            self.saved = self.trainer.steps_done
            if self.monitor:
                self.monitor.restore(state["looks"])
        if self.main:
            for name in (LOG, LOOKS):
                _forget(self.out / name, self.trainer.steps_done)

    def due(self, every: int) -> bool:
        """Whether something that happens every so many steps, and at the last one, happens now."""
        return self.trainer.steps_done % every == 0 or self.trainer.steps_done == self.trainer.config.steps

    def ended(self, alarm: str, interrupted: bool) -> bool:
        """Whether the run ends here: any process knows a reason."""
        alarmed = bool(alarm) and self.trainer.config.on_alarm == "stop"
        reasons = torch.tensor([float(interrupted or alarmed)], device=self.trainer.accelerator.device)
        return bool(self.trainer.accelerator.reduce(reasons, "sum").item())

    def log(self, row: Row, track: Track) -> None:
        """Keep one step's row."""
        if self.main:
            _append(self.out / LOG, row)
            track.row(row)
        if "reward" not in row and self.trainer.source.reason and not self.warned:
            self.warned = True
            print(
                f"step {row['step']:.0f}: no candidate got a score; {self.trainer.source.reason}",
                file=sys.stderr,
            )

    def alarm(self, track: Track) -> str:
        """The monitor's alarm as the run begins: of the last look, or of a first one, which shows the base."""
        return self.monitor.alarm() if self.monitor and self.monitor.looks else self.look(track)

    def look(self, track: Track) -> str:
        """Look at the run: a row, a strip, the best LoRA so far; returns the monitor's alarm."""
        if not self.monitor:
            return ""
        with self.trainer.averaged():
            now, base = (
                self.monitor.samples(self.trainer.generator),
                self.monitor.base(self.trainer.generator),
            )
            look = self.monitor.look(self.trainer.steps_done, now, base)
            if self.monitor.best() is look:
                self._keep_best()
        row = {"step": look.step, "diversity": look.diversity} | {
            f"look/{name}": score for name, score in look.scores.items()
        }
        _append(self.out / LOOKS, row)
        track.row(row)
        sheet = strip(base, now)
        (self.out / STRIPS).mkdir(exist_ok=True)
        sheet.save(self.out / STRIPS / f"{look.step:06d}.png")
        track.picture(look.step, sheet)
        alarm = self.monitor.alarm()
        for words in [*self.monitor.troubles, *([f"alarm: {alarm}"] if alarm else [])]:
            print(f"step {look.step}: {words}", file=sys.stderr)
        return alarm

    def save(self) -> None:
        """Write a full-state checkpoint of this step, unless it is there."""
        if self.main and self.saved != self.trainer.steps_done:
            looks = self.monitor.state() if self.monitor else []
            checkpoint.save(self.out, self.trainer.steps_done, self.trainer.state() | {"looks": looks})
        self.saved = self.trainer.steps_done

    @contextmanager
    def kept(self) -> Iterator[None]:
        """When what is inside fails in words, what was trained so far is saved first, and the words say so."""
        try:
            yield
        except RankkitError as error:
            if not self.trainer.steps_done:
                raise
            self.save()
            raise type(error)(
                f"{error}\n{self.trainer.steps_done} steps are kept in {self.out}: the same command goes on from there"
            ) from error

    def finish(self) -> None:
        """Write the LoRA that the run is for."""
        if self.main:
            with self.trainer.averaged():
                self.trainer.generator.save(self.out)

    def _keep_best(self) -> None:
        part = self.out / f".{BEST}"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        self.trainer.generator.save(part)
        shutil.rmtree(self.out / BEST, ignore_errors=True)
        part.rename(self.out / BEST)


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a ``.jsonl`` file of a run; a torn last line is left out."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


@contextmanager
def interruptions() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C or SIGTERM came; the first one is only noted, a second one
    acts as usual.
    """
    noted, handled = list[int](), (signal.SIGINT, signal.SIGTERM)

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        for one in handled:
            signal.signal(one, before[one])
        print("stopping after this step; once more stops at once", file=sys.stderr)

    if threading.current_thread() is not threading.main_thread():  # signals reach the main thread alone
        yield lambda: False
        return
    before = {one: signal.signal(one, note) for one in handled}
    try:
        yield lambda: bool(noted)
    finally:
        for one in handled:
            signal.signal(one, before[one])


def _part(trainer: Trainer) -> None:
    """Processes part when all have come this far; a process that just leaves takes its group down with it."""
    trainer.accelerator.wait_for_everyone()
    if trainer.accelerator.num_processes > 1:
        torch.distributed.destroy_process_group()


@contextmanager
def _written(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = error.strerror or error
        raise RankkitError(
            f"the run folder {out} cannot be written: {what}; free space or choose another out=, and give the command again"
        )


def _append(path: Path, row: Mapping[str, float]) -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.write(
            json.dumps(
                {name: round(value, 6) if math.isfinite(value) else None for name, value in row.items()}
            )
            + "\n"
        )


def _forget(path: Path, step: int) -> None:
    """Drop the rows that lie after `step`."""
    if path.is_file():
        rows = [json.dumps(row) + "\n" for row in read(path) if row["step"] <= step]
        part = path.with_suffix(".part")
        part.write_text("".join(rows), encoding="utf-8")
        part.replace(path)
