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
    """One prompt per task.

    Named with four digits as the official README does or with five as its generator does.
    """
    for number, metadata in enumerate(SIX):
        samples = tmp_path / "images" / f"{number:05}" / "samples"
        samples.mkdir(parents=True)
        (samples.parent / "metadata.jsonl").write_text(json.dumps(metadata))
        drawn(dog=(4, 4, 20, 20)).save(samples / ("0000.png", "00000.png")[number % 2])
    return tmp_path / "images"


def run(*command, cwd, code=0):
    result = subprocess.run(
        [sys.executable, "-m", *map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result


def test_the_official_layout_is_scored_and_summed_up(folder, checkpoint, clip, tmp_path):
    spec = f"geneval:checkpoint={checkpoint},clip={clip},device=cpu,canary=false"
    (folder / "00002" / "samples" / "0002.png").write_bytes(b"not an image")
    said = run("rankkit", "score", folder, "-r", spec, "-o", "rows.jsonl", cwd=tmp_path, code=3).stderr
    assert "7 images; prompts from" in said
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert len(rows) == 7 and sum(row["score"] is None for row in rows) == 1
    for row in rows:
        if row["score"] is not None:
            assert row["details"]["tag"] == SIX[int(row["group"][-5:])]["tag"]
            assert row["score"] == row["details"]["correct"]
    assert (
        "1 images abstained" in run("rankkit_geneval", "summary", "rows.jsonl", cwd=tmp_path, code=1).stderr
    )
    table = run("rankkit_geneval", "summary", "rows.jsonl", "--partial", cwd=tmp_path).stdout
    assert [line.split()[0] for line in table.splitlines()[1:8]] == [*TASKS, "overall"]
