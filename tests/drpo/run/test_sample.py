"""What `drpo sample` writes, and what it leaves alone."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from drpo.recipes import shapes
from drpo.run import checkpoint
from drpo.run.sample import sample_run
from rankkit import UsageError


@pytest.mark.parametrize("name", ["00001/0.png", "00001"])
def test_images_that_drpo_did_not_write_are_never_replaced(tmp_path: Path, name: str) -> None:
    checkpoint.claim(tmp_path / "run", asdict(shapes()))
    (tmp_path / "prompts.txt").write_text("a photo of a red circle\na photo of a blue square\n")
    mine = tmp_path / "out" / name
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(UsageError, match="00001.* give another --out"):
        sample_run(tmp_path / "run", tmp_path / "prompts.txt", tmp_path / "out", each=1, base=True)
    assert mine.read_bytes() == b"mine" and not (tmp_path / "out" / "00000").exists()
    mine.unlink()
    for _ in range(2):  # an empty folder, then the folder that drpo wrote
        sample_run(tmp_path / "run", tmp_path / "prompts.txt", tmp_path / "out", each=1, base=True)
