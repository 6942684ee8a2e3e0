"""`headline`: one update with a ranker of HPSv3's size, by DrPO, by a reward gradient, and as published."""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.flops.networks import text_model
from benchmarks.gpu.judge import BATCH, Judge
from benchmarks.gpu.measure import PROMPT, ROUNDS, device, forget, helpers, peak, timed, watched
from drpo.anchors import RankedAnchors
from drpo.features.latent_mae import LatentMae
from drpo.generators.one_step import OneStep
from drpo.loss import drpo_loss, select_rows
from drpo.preference import split
from drpo.recipes import recipe
from drpo.run import memory
from drpo.train import Trainer
from drpo.types import Prompt

TINY = {"group_size": 4, "anchors": 1}


class Updates:
    """One prompt's update, made in three ways by the same networks with drawn weights, in bfloat16."""

    def __init__(self, tiny: bool) -> None:
        self.tiny, self.place = tiny, device(tiny)
        torch.manual_seed(0)
        self.config = dataclasses.replace(recipe("hpsv3"), prompts_per_step=1, **(TINY if tiny else {}))
        self.judge = Judge(tiny, self.place)
        self.generator = drawn(tiny)
        self.features = small_mae() if tiny else LatentMae().requires_grad_(False).eval()
        with torch.device(self.place):
            self.text = (self.generator.pipe.text_encoder if tiny else text_model()).to(self.generator.dtype)
        source = RankedAnchors(self.judge, self.config, [Prompt(PROMPT)])
        self.trainer = Trainer(self.config, self.generator, self.features, source)
        self.trainer.at_once = memory.at_once(self.config, self.generator, self.features, 1)
        self.kept = not self.generator.checkpointing
        self.optimizer = torch.optim.AdamW(self.generator.parameters().values(), self.config.learning_rate)

    def drpo(self) -> None:
        """As `drpo train` does it."""
        self.generator.use_checkpointing(not self.kept)
        row = self.trainer.step()
        assert row["skipped"] == 0 and math.isfinite(row["loss"]), row

    def draft(self) -> None:
        """DRaFT with one step: the gradient of the mean score through ranker, decoder and U-Net, as many
        images, in batches, each network's activations made anew in backward.
        """
        self.generator.use_checkpointing(True)
        noise = self.generator.noise(self.config.group_size, 0)
        for part in noise.split(BATCH):
            pixels = self.generator.sample(PROMPT, part).pixels
            (-self.judge(pixels).sum() / len(noise)).backward()
        self._step()

    def authors(self) -> None:
        """DrPO as its authors' loop goes: the prompt encoded for every candidate of both networks; the
        candidates, the base's samples and the anchors decoded; checkpointing.
        """
        config, generator = self.config, self.generator
        generator.use_checkpointing(True)
        noise = generator.noise(config.group_size, 0)
        for _ in range(2):
            self._encode(len(noise))
        sample = generator.sample(PROMPT, noise)
        points = self.features(sample)
        (ranking,) = self.judge.rank([sample.group()])
        anchors = split(ranking, config.anchors)
        assert anchors is not None
        with torch.no_grad(), generator.reference():
            base = generator.sample(PROMPT, noise)
            start = self.features(base)
            chosen = [*anchors.positive, *anchors.negative]
            assert len(base.shown) + len(generator.decode(sample.latents[chosen])) >= len(noise)
        loss, _ = drpo_loss(points, select_rows(points, anchors), start, config)
        loss.backward()
        self._step()

    def _encode(self, count: int) -> Tensor:
        length = self.text.config.max_position_embeddings
        with torch.no_grad():
            encoded: Tensor = self.text(torch.ones(count, length, dtype=torch.long, device=self.place))[0]
        return encoded

    def _step(self) -> None:
        weights = list(self.generator.parameters().values())
        assert float(torch.nn.utils.clip_grad_norm_(weights, self.config.clip)) > 0
        self.optimizer.step()
        self.optimizer.zero_grad()


def headline(name: str, tiny: bool = False) -> dict[str, Any]:
    """Seconds of an update by each arm, the three alternating, after one of each that is not counted; the
    ratios are to `drpo`. An arm that fails says why, and the others go on.
    """
    updates = Updates(tiny)
    arms: dict[str, Callable[[], None]] = {
        "drpo": updates.drpo, "draft": updates.draft, "authors": updates.authors
    }  # fmt: skip
    seconds: dict[str, list[float]] = {arm: [] for arm in arms}
    rows: dict[str, dict[str, Any]] = {arm: {"arm": arm} for arm in arms}
    for number in range(1 + (1 if tiny else ROUNDS)):
        for arm, update in arms.items():
            if "error" in rows[arm]:
                continue
            forget()
            try:
                with watched() as busy:
                    spent = timed(update)
            except Exception as error:
                rows[arm]["error"] = f"{type(error).__name__}: {str(error)[:200]}"
                continue
            seconds[arm] += [spent] if number else []
            rows[arm] |= {"peak MiB": peak(), "busy %": round(statistics.mean(busy)) if busy else None}
            print(json.dumps({"arm": arm, "round": number, "seconds": round(spent, 3)}), flush=True)
    for arm, spent in seconds.items():
        if spent:
            rows[arm] |= {"seconds": round(statistics.median(spent), 3), "n": len(spent)}
            rows[arm] |= {"least": round(min(spent), 3), "most": round(max(spent), 3)}
            if "seconds" in rows["drpo"]:
                rows[arm]["times drpo"] = round(rows[arm]["seconds"] / rows["drpo"]["seconds"], 2)
    config = updates.config
    return {"candidates": config.group_size, "drpo keeps activations": updates.kept, "rows": [*rows.values()]}


def drawn(tiny: bool) -> OneStep:
    """SD-Turbo with drawn weights."""
    helpers()
    import full_size
    import tiny_pipelines

    from drpo.generators import sd_turbo

    if not tiny:
        return full_size.generator("sd", "cuda", torch.bfloat16, checkpointing=False)
    with tempfile.TemporaryDirectory() as folder:
        return sd_turbo.load(str(tiny_pipelines.sd(Path(folder))), rank=4, checkpointing=False)


def small_mae() -> LatentMae:
    """A map for rehearsals."""
    return LatentMae(4, base=8, layers=(1, 1)).requires_grad_(False).eval()
