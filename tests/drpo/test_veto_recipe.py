"""A recipe learns behind a veto: its ranker may be any spec."""

import json
from pathlib import Path

from typer.testing import CliRunner

from drpo.cli import app


def test_a_recipe_takes_a_veto_as_its_ranker(tmp_path: Path) -> None:
    ranker = 'veto:ranker="shapes*2+contrast",by=saturation,below=0.01'
    small = ["steps=1", "group_size=4", "prompts_per_step=1", "anchors=1", "eval_every=100"]
    result = CliRunner().invoke(
        app, ["train", "shapes", f"ranker={ranker}", f"out={tmp_path / 'run'}", *small]
    )
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "run" / "config.json").read_text())["ranker"] == ranker
    assert "reward" in (tmp_path / "run" / "log.jsonl").read_text()
