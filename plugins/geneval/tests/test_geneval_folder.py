"""From the official folder layout to the table, by the commands that a user gives."""

import json
import subprocess
import sys

import pytest
from geneval_fakes import drawn

from rankkit_geneval import prompts
from rankkit_geneval.vocabulary import TASKS

SIX = [
    next(metadata for metadata in prompts.evaluation_metadata() if metadata["tag"] == task) for task in TASKS
]


@pytest.fixture
def folder(tmp_path):
    """One prompt per task, with narrow images, which the detector sees at a tenth of its usual pixels.

    Named with four digits as the official README does or with five as its generator does.
    """
    for number, metadata in enumerate(SIX):
        samples = tmp_path / "images" / f"{number:05}" / "samples"
        samples.mkdir(parents=True)
        (samples.parent / "metadata.jsonl").write_text(json.dumps(metadata))
        drawn((160, 8), dog=(4, 2, 20, 6)).save(samples / ("0000.png", "00000.png")[number % 2])
    return tmp_path / "images"


def test_the_official_layout_is_scored_and_summed_up(folder, checkpoint, clip, tmp_path, command):
    spec = f"geneval:checkpoint={checkpoint},clip={clip},device=cpu,canary=false"
    (folder / "00002" / "samples" / "0002.png").write_bytes(b"not an image")
    score = [sys.executable, "-m", "rankkit", "score", folder, "-r", spec, "-o", "rows.jsonl"]
    scored = subprocess.run(score, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert scored.returncode == 3 and "7 images" in scored.stderr, scored.stdout + scored.stderr
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert len(rows) == 7 and sum(row["score"] is None for row in rows) == 1
    for row in rows:
        if row["score"] is not None:
            assert row["details"]["tag"] == SIX[int(row["group"][-5:])]["tag"]
            assert row["score"] == row["details"]["correct"]
    code, _, said = command("summary", tmp_path / "rows.jsonl")
    assert code == 1 and b"1 images abstained" in said
    code, table, _ = command("summary", tmp_path / "rows.jsonl", "--partial")
    assert code == 0
    assert [line.split()[0] for line in table.decode().splitlines()[1:8]] == [*TASKS, "overall"]
