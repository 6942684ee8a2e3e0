"""A run's folder is its own: nothing that stood there before is written over or removed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from drpo.recipes import recipe
from drpo.run import checkpoint
from rankkit import RankkitError


@pytest.mark.parametrize("name", ["log.jsonl", "best/mine.png", "checkpoints/mine.pt", "report.html"])
def test_a_folder_that_is_no_run_and_holds_what_a_run_writes_is_refused(tmp_path: Path, name: str) -> None:
    mine = tmp_path / "out" / name
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    for use in (checkpoint.check, checkpoint.claim):
        with pytest.raises(RankkitError, match=f"{name.split('/')[0]} and no config.json.*another out="):
            use(tmp_path / "out", {"steps": 1})
    assert mine.read_bytes() == b"mine" and not (tmp_path / "out" / "config.json").exists()


def test_a_folder_that_holds_other_files_may_become_a_run(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    config = asdict(recipe("shapes"))
    checkpoint.claim(tmp_path, {**config, "steps": 1})
    checkpoint.claim(tmp_path, {**config, "steps": 2})
    assert (tmp_path / "notes.txt").read_text() == "mine"
