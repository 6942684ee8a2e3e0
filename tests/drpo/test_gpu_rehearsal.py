"""What needs a GPU is measured by one command, which is rehearsed on tiny models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.gpu.__main__ import ORDER, main
from benchmarks.gpu.headline import headline


def test_the_headlines_three_updates_run_on_tiny_networks() -> None:
    found = headline("hpsv3", tiny=True)
    assert [row["arm"] for row in found["rows"]] == ["drpo", "draft", "authors"]
    assert all("error" not in row and row["seconds"] > 0 for row in found["rows"]), found


@pytest.mark.slow
def test_the_command_for_a_borrowed_gpu_rehearses_every_stage_and_records_each(tmp_path: Path) -> None:
    assert main(["all", "--tiny", "--results", str(tmp_path)]) == 0
    rows = [json.loads(line) for line in (tmp_path / "gpu.jsonl").read_text("utf-8").splitlines()]
    assert [row["command"].removeprefix("python -m benchmarks.gpu ") for row in rows] == list(ORDER)
    assert {row["gpu"] for row in rows} == {"none: a rehearsal"}
