"""Tests of the lowest versions take hours on a busy machine: a run of them goes on where it stopped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.versions.kept import counts, outcomes

ROOT = Path(__file__).parents[2]
FAILING = """
import os

def test_one(): pass
def test_two(): assert os.path.exists("mended")
def test_three(): pass
"""


def tried(folder: Path, *options: str) -> int:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "benchmarks.versions.kept",
        "-p",
        "no:cacheprovider",
    ]
    command += ["--kept", str(folder / "outcomes.jsonl"), "--rootdir", str(folder), "-c", "/dev/null"]
    path = ":".join(filter(None, [str(ROOT), *sys.path]))
    own = {"PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run([*command, *options, "test_some.py"], cwd=folder, env=own).returncode


def test_a_stopped_run_counts_what_it_left_and_the_next_runs_that_and_what_had_failed(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(FAILING)
    kept = tmp_path / "outcomes.jsonl"
    assert tried(tmp_path, "-x") == 1  # it stops at the second
    assert counts(kept) == {"passed": 1, "failed": 1, "not run": 1, "error": "test_some.py::test_two"}
    (tmp_path / "mended").touch()
    with kept.open("a") as file:
        file.write('{"test": "test_some.py::test_o')  # as a kill leaves it
    assert tried(tmp_path) == 0
    assert len(kept.read_text().splitlines()) == 4 and set(outcomes(kept).values()) == {"passed"}
    assert counts(kept) == {"passed": 3, "not run": 0}
