"""Score one image with every ranker of one plugin, on tiny weights drawn at random.

    python -I tiny.py PLUGIN'S_FOLDER IMAGE

Run by the Python of a clean environment, which has the wheels and not the sources: only the tiny checkpoint
comes from the plugin's tests. Prints the scores as JSON.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

PROMPT = {"ocr": 'a sign that says "OPEN"', "geneval": "a photo of a dog"}
PAIRWISE = {"vlm-judge"}
ELSEWHERE = {"pyiqa"}  # in an environment of its own, as those of an original package
ASKED_OTHERWISE = {"editscore", "geneval2", "unifiedreward", "unifiedreward-pair"}  # the server cannot answer


def main() -> None:
    """Every ranker of the plugin but those that live elsewhere or need more than the judge's server knows."""
    folder, image = Path(sys.argv[1]), Path(sys.argv[2])
    sys.path.insert(0, str(folder / "tests"))
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    names = rankers(folder)
    scores: dict[str, float] = {}
    if names:
        with tempfile.TemporaryDirectory() as place, options(folder.name, Path(place)) as given:
            scores = {name: scored(name, given, image, Path(place)) for name in names}
    print(json.dumps(scores))


def rankers(folder: Path) -> list[str]:
    """The names that this plugin's installed distribution offers."""
    from rankkit.registry.catalog import GROUP

    (own,) = (each for each in distributions() if each.metadata["Name"] == called(folder))
    names = [each.name for each in own.entry_points if each.group == GROUP]
    left_out = ELSEWHERE | ASKED_OTHERWISE
    return sorted(name for name in names if not name.endswith("-official") and name not in left_out)


def called(folder: Path) -> str:
    """The name of the distribution, as its pyproject.toml has it."""
    lines = (folder / "pyproject.toml").read_text("utf-8").splitlines()
    return next(line.partition("=")[2].strip(' "') for line in lines if line.startswith("name ="))


@contextlib.contextmanager
def options(plugin: str, place: Path) -> Iterator[dict[str, Any]]:
    """What to load the plugin's rankers with: a tiny checkpoint, or a server that answers."""
    if plugin == "ocr":
        yield {"threads": 1}
    elif plugin == "geneval":
        yield {**detector(place), "device": "cpu", "canary": False, "mode": "graded"}
    elif plugin == "vlm_judge":
        from rankkit_vlm_judge.testing import JudgeServer

        with JudgeServer() as server:
            yield {"url": server.url, "model": "brightness-1", "cache": place / "verdicts.sqlite"}
    else:
        yield {**importlib.import_module(f"tiny_{plugin}").checkpoint(place), "device": "cpu"}


def detector(place: Path) -> dict[str, Any]:
    """GenEval's detector and namer of colours, tiny."""
    import torch
    from geneval_clip import save_tiny_clip
    from geneval_mmdet import inverse, tiny_config
    from safetensors.torch import load_file
    from transformers import Mask2FormerForUniversalSegmentation

    from rankkit_geneval.detector.weights import convert_file

    model = Mask2FormerForUniversalSegmentation(tiny_config())
    model.save_pretrained(place / "random")
    torch.save({"state_dict": inverse(load_file(place / "random" / "model.safetensors"))}, place / "m.pth")
    convert_file(place / "m.pth", place / "converted", config=tiny_config())
    (place / "clip").mkdir()
    save_tiny_clip(place / "clip", hidden_act="quick_gelu")
    return {"checkpoint": place / "converted", "clip": place / "clip"}


def scored(name: str, given: dict[str, Any], image: Path, place: Path) -> float:
    """The score of the image; a judge of pairs sees a black one beside it."""
    from PIL import Image

    import rankkit

    images = [image]
    if name in PAIRWISE:
        images.append(place / "black.png")
        Image.new("RGB", (64, 64)).save(images[-1])
    prompt = PROMPT.get(name, "two red apples")
    spec = name + ":" + ",".join(f"{key}='{value}'" for key, value in given.items())
    row = rankkit.score(images, spec, prompt=prompt)[0]
    assert row["score"] is not None, f"{name} abstained: {row['error']}"
    return float(row["score"])


if __name__ == "__main__":
    main()
