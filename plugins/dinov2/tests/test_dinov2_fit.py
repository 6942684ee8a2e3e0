"""A taste is learned from DINOv2's embeddings, and scores images without any reference."""

import json

import numpy as np
import pytest
import tiny_dinov2 as tiny
from PIL import Image
from typer.testing import CliRunner

import rankkit
from rankkit.cli.app import app


def test_rankkit_fit_learns_a_taste_from_dinov2_without_a_reference(tmp_path):
    pytest.importorskip("sklearn")
    (tmp_path / "model").mkdir()
    checkpoint = tiny.checkpoint(tmp_path / "model")["checkpoint"]
    rng, lines = np.random.default_rng(0), []
    light = {f"{number}.png": int(rng.integers(20, 236)) for number in range(16)}
    for name, level in light.items():
        noise = rng.integers(-20, 20, (32, 32, 3))
        Image.fromarray(np.uint8(level + noise)).save(tmp_path / name)
    for _ in range(60):
        a, b = (str(name) for name in rng.choice(list(light), 2, replace=False))
        choice = "a" if light[a] > light[b] else "b"
        lines.append({"prompt": "light", "image_a": a, "image_b": b, "choice": choice, "who": "ada"})
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, lines)))
    features = f"dinov2:checkpoint={checkpoint},device=cpu"
    command = ["fit", str(tmp_path / "labels.jsonl"), "--features", features, "-o", str(tmp_path / "taste")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    taste = rankkit.load(str(tmp_path / "taste"))
    light_and_dark = tuple(
        Image.open(tmp_path / name) for name in sorted(light, key=lambda name: light[name])
    )
    (ranking,) = taste.rank([rankkit.Group("light", (light_and_dark[0], light_and_dark[-1]))])
    assert ranking.ranks == (2, 1)
