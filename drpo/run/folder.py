"""What is written of a run while it trains: rows, evaluations, sample grids, checkpoints, the best and the
last LoRA.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from drpo.data.stored_pairs import StoredAnchors
from drpo.generators._first_images import check_first_images
from drpo.run import checkpoint
from drpo.run.files import (
    BEST,
    EVALUATIONS,
    GRIDS,
    IMAGES,
    LOG,
    append_row,
    drop_rows_after,
    read_rows,
    set_aside,
    take_over,
)
from drpo.run.monitor import Monitor
from drpo.run.sample_grid import keep_images, sample_grid
from drpo.run.tracking import Track
from drpo.train import Trainer
from drpo.types import LogRow, Prompt
from rankkit import RankkitError
from rankkit.plugin import try_lock

LOCK = ".lock"
MANY = 0.1  # of the steps of a run: more without a ranking, and it has not done what it was asked for


def _summary(prompts: Sequence[Prompt]) -> dict[str, Any]:
    """How many prompts there are, and a hash of them in their order."""
    given = [(prompt.text, dict(prompt.metadata)) for prompt in prompts]
    written = json.dumps(given, default=str, sort_keys=True).encode()
    return {"count": len(given), "sha256": hashlib.sha256(written).hexdigest()}


class RunFolder:
    """The folder of a run, written by its main process alone."""

    def __init__(self, trainer: Trainer, out: Path, monitor: Monitor | None) -> None:
        self.trainer, self.out = trainer, out
        self.main = trainer.accelerator.is_main_process
        self.monitor = monitor if self.main else None
        self.saved = -1
        self.warned = False

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Inside it no other run is written into the folder; raises `RankkitError` where one is."""
        if not self.main:
            yield
            return
        checkpoint.check(self.out, asdict(self.trainer.config))
        self.out.mkdir(parents=True, exist_ok=True)
        with open(self.out / LOCK, "a") as file:
            if not try_lock(file):
                raise RankkitError(
                    f"another process is training in {self.out}; wait for its end, stop it, or give "
                    "another out="
                )
            yield

    def resume(self) -> None:
        """Claim the folder and go on from its newest complete checkpoint; rows written after it are dropped,
        as they come again.
        """
        if self.main:
            checkpoint.claim(self.out, asdict(self.trainer.config))
            take_over(self.out)
        self.trainer.accelerator.wait_for_everyone()
        if found := checkpoint.latest(self.out):
            state = checkpoint.load(found)
            checkpoint.check_fits(found, state, self.trainer.weights)
            checkpoint.check_prompts(found, state, "prompts", self.prompts)
            self.trainer.restore(state)
            self.saved = self.trainer.steps_done
            if self.monitor:
                checkpoint.check_prompts(found, state, "validation", _summary(self.monitor.prompts))
                checkpoint.check_rankers(found, state, self.monitor.versions)
                self.monitor.restore(state.get("evaluations", []))
        if self.main and self.trainer.steps_done < self.trainer.config.steps:
            set_aside(self.out, self.trainer.steps_done)
        if self.main:
            drop_rows_after(self.out / LOG, self.trainer.steps_done)
            drop_rows_after(self.out / EVALUATIONS, self._evaluated())

    @cached_property
    def prompts(self) -> dict[str, Any]:
        """How many prompts the run learns from, and a hash of them in their order."""
        source = getattr(self.trainer.source, "source", self.trainer.source)
        found = _summary(getattr(source, "prompts", ()))
        # of preferences only some prompts are known, and what was preferred
        stored = (
            {"count": source.count, "preferred": source.sha256} if isinstance(source, StoredAnchors) else {}
        )
        return found | stored

    def due(self, every: int) -> bool:
        """Whether something that happens every so many steps, and at the last one, happens now."""
        return self.trainer.steps_done % every == 0 or self.trainer.steps_done == self.trainer.config.steps

    def ended(self, alarm: str, interrupted: bool) -> bool:
        """Whether the run ends here: any process knows a reason."""
        alarmed = bool(alarm) and self.trainer.config.on_alarm == "stop"
        reasons = torch.tensor([float(interrupted or alarmed)], device=self.trainer.accelerator.device)
        return bool(self.trainer.accelerator.reduce(reasons, "sum").item())

    def log(self, row: LogRow, track: Track) -> None:
        """Keep one step's row."""
        if self.main:
            append_row(self.out / LOG, row)
            track.row(row)
        reason = self.trainer.source.reason
        if "reward" not in row and reason and not self.warned:
            self.warned = True
            print(f"step {row['step']:.0f}: no candidate got a score; {reason}", file=sys.stderr)

    def alarm(self, track: Track) -> str:
        """The monitor's alarm as the run begins: of the last evaluation, or of one that is due now.

        The first shows the base; another is due where the run stopped before it was done.
        """
        if not self.monitor:
            return ""
        steps, last = self.trainer.steps_done, self._evaluated()
        if last >= 0 and (last == steps or not self.due(self.trainer.config.eval_every)):
            return self.monitor.alarm()
        alarm = self.evaluate(track)
        if steps:
            self.saved = -1  # the checkpoint of this step does not know of it
            self.save()
        return alarm

    def _evaluated(self) -> int:
        """The step of the last evaluation that the run's state knows of, -1 for none."""
        if not self.monitor:
            return self.trainer.steps_done
        return self.monitor.evaluations[-1].step if self.monitor.evaluations else -1

    def evaluate(self, track: Track) -> str:
        """Evaluate the run: a row, a sample grid, the best LoRA so far; returns the monitor's alarm."""
        if not self.monitor:
            return ""
        with self.trainer.averaged():
            now = self.monitor.samples(self.trainer.generator)
            base = self.monitor.base(self.trainer.generator)
            if not self.monitor.evaluations and (
                words := check_first_images(base, self.trainer.config.precision)
            ):
                print(f"step {self.trainer.steps_done}: {words}", file=sys.stderr)
            found = self.monitor.evaluate(self.trainer.steps_done, now, base)
            if self.monitor.best() is found:
                self._keep_best()
        scores = {f"eval/{name}": score for name, score in found.scores.items()}
        row = {"step": found.step, "diversity": found.diversity} | scores
        append_row(self.out / EVALUATIONS, row, images=found.images)
        track.row(row)
        grid = sample_grid(base, now)
        (self.out / GRIDS).mkdir(exist_ok=True)
        grid.save(self.out / GRIDS / f"{found.step:06d}.png")
        track.image(found.step, grid)
        keep_images(self.out / IMAGES, found.step, base, now)
        alarm = self.monitor.alarm()
        for words in [*self.monitor.troubles, *([f"alarm: {alarm}"] if alarm else [])]:
            print(f"step {found.step}: {words}", file=sys.stderr)
        return alarm

    def save(self) -> None:
        """Write a full-state checkpoint of this step, unless it is there."""
        if self.main and self.saved != self.trainer.steps_done:
            kept: dict[str, Any] = {"evaluations": [], "prompts": self.prompts}
            if self.monitor:
                kept |= {"evaluations": self.monitor.state(), "rankers": dict(self.monitor.versions)}
                kept["validation"] = _summary(self.monitor.prompts)
            state = self.trainer.state() | kept
            checkpoint.save(self.out, self.trainer.steps_done, state)
        self.saved = self.trainer.steps_done

    @contextmanager
    def kept(self) -> Iterator[None]:
        """When what is inside fails in words, what was trained so far is saved first, and the words say
        so.
        """
        try:
            yield
        except RankkitError as error:
            steps = self.trainer.steps_done
            if not steps:
                raise
            self.save()
            raise type(error)(
                f"{error}; {steps} steps are kept in {self.out}: the same command goes on from there"
            ) from error

    def skipped(self) -> str:
        """What is to be said of the steps of the whole run in which no candidate got a score.

        Empty where they are at most the share `MANY` of it. Steps with candidates that are all equal count
        as ranked, unless the run had no others; those in which a single candidate got a score do not.
        """
        rows = read_rows(self.out / LOG) if self.main else []
        nothing = [row for row in rows if row["skipped"] == 1]
        unequal = [row for row in nothing if not row.get("equal")]
        skipped = sum(row.get("reward") is None or row.get("broken") == 0 for row in unequal)
        if rows and not skipped and len(nothing) == len(rows):
            return (
                f"nothing was learned: in each of {len(rows)} steps the ranker found all candidates of a "
                "prompt equal; give a ranker that tells them apart, a larger group_size, or max_rounds="
            )
        if skipped <= MANY * len(rows):
            return ""
        reason = f": {self.trainer.source.reason}" if self.trainer.source.reason else ""
        return f"{skipped} of {len(rows)} steps were skipped, without any ranking to learn from{reason}"

    def unimproved(self) -> str:
        """What is to be said where no evaluation was better than the base."""
        return self.monitor.unimproved() if self.monitor else ""

    def finish(self) -> None:
        """Write the LoRA that the run is for."""
        with self.trainer.averaged():
            checkpoint.check_finite(self.trainer.weights, self.trainer.config)
            if self.main:
                self.trainer.generator.save(self.out)

    def _keep_best(self) -> None:
        part = self.out / f".{BEST}"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        self.trainer.generator.save(part)
        shutil.rmtree(self.out / BEST, ignore_errors=True)
        part.rename(self.out / BEST)
