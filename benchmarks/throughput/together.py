"""Three rankers in one command against each by itself: `together`.

`clip`, `aesthetic` and `pickscore` over the same folder: in one `rankkit.score`, and in three, added. `same`:
all three on one CLIP checkpoint, whose image tower then runs once; `own`: pickscore on another one, as its
published weights are. Weights are drawn, of ViT-B/32's size with a small text tower; the two alternate, the
models are loaded each time, and the scores are equal to the bit.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rankkit
from benchmarks.record import spread
from benchmarks.throughput.images import alternating, soft_images
from benchmarks.throughput.models import checkpoint

PROMPT = "a red fox"


def measure(count: int, rounds: int) -> dict[str, Any]:
    """Seconds for `count` images of 512 x 512, JPEG, and the share that one command takes of three."""
    import torch

    found: dict[str, Any] = {"images": count, "torch threads": torch.get_num_threads()}
    with tempfile.TemporaryDirectory(prefix="rankkit-benchmark-") as name:
        place = Path(name)
        soft_images(place / "in", count, 512)
        clip, other = (str(checkpoint(place / folder, "base", seed)) for seed, folder in enumerate("ab"))
        head = _head(place / "head.safetensors")
        for which, pick in {"same": clip, "own": other}.items():
            specs = [
                f"clip:checkpoint={clip},device=cpu",
                f"aesthetic:checkpoint={head},clip={clip},device=cpu",
                f"pickscore:checkpoint={pick},device=cpu",
            ]
            found[which] = _both(place, specs, rounds)
    return found


def _both(place: Path, specs: list[str], rounds: int) -> dict[str, Any]:
    def alone() -> None:
        for number, spec in enumerate(specs):
            _score(place, [spec], f"alone-{number}.jsonl")

    runs: dict[str, Callable[[], object]] = {
        "together": lambda: _score(place, specs, "together.jsonl"),
        "alone, added": alone,
    }
    seconds = alternating(runs, rounds)
    singly = [row for number in range(len(specs)) for row in _scores(place / f"alone-{number}.jsonl")]
    assert sorted(_scores(place / "together.jsonl")) == sorted(singly)
    shares = [one / three for one, three in zip(seconds["together"], seconds["alone, added"], strict=True)]
    return {
        "seconds": {name: spread(each) for name, each in seconds.items()},
        "share": round(statistics.median(shares), 2),
    }


def _score(place: Path, specs: list[str], output: str) -> None:
    rankkit.score([place / "in"], specs, prompt=PROMPT, output=place / output, overwrite=True)


def _scores(rows: Path) -> list[tuple[str, str, str]]:
    found = map(json.loads, rows.read_text("utf-8").splitlines())
    return [(row["image"], row["version"], repr(row["score"])) for row in found]


def _head(path: Path) -> Path:
    """The aesthetic predictor's layers on 512 features, drawn."""
    from safetensors.torch import save_file

    from rankkit_torch import LinearHead, draw

    save_file(draw({name: tuple(each.shape) for name, each in LinearHead(512).state_dict().items()}), path)
    return path
