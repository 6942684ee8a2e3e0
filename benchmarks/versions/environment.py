"""An environment with given versions: made, and the core's quick tests run in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.versions.bounds import ROOT
from benchmarks.versions.kept import counts
from benchmarks.wheels.environment import UNWANTED, run

TESTS = (
    "tests/core",
    "tests/io",
    "tests/registry",
    "tests/report",
    "tests/analysis",
    "tests/scoring/test_score.py",
)
DRPO = ("tests/drpo",)
LEFT_OUT = (  # they need SciPy, which the core does not, and plugins
    "tests/core/test_aggregate.py",
    "tests/drpo/test_gpu_rehearsal.py",
)


def made(python: str, place: Path, wanted: Sequence[str]) -> Path:
    """A virtual environment with these packages and a copy of rankkit, for its Python.

    One that is there with the same packages is taken as it is, and given a new copy.
    """
    own, mark = place / "bin" / "python", place / "wanted.txt"
    pip = [own, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-compile"]
    if not mark.is_file() or mark.read_text("utf-8") != "\n".join(wanted):
        run(python, "-I", "-m", "venv", "--clear", place)
        run(*pip, *wanted)
        mark.write_text("\n".join(wanted), "utf-8")
    shutil.rmtree(place / "source", ignore_errors=True)
    copy = shutil.copytree(ROOT, place / "source", ignore=UNWANTED)
    run(*pip, "--no-deps", "--force-reinstall", copy)
    return own


def tested(python: Path, tests: Sequence[str] = TESTS, minutes: float | None = None) -> dict[str, object]:
    """How many of the quick tests passed, which failed, and how many were not run, as `minutes` were over.

    Outcomes are kept beside the environment; what passed there before is not run again.
    """
    left_out = [f"--ignore={path}" for path in LEFT_OUT]
    kept = python.parents[2] / "outcomes.jsonl"
    command = [python, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", *tests, *left_out]
    command += ["-p", "benchmarks.versions.kept", "--kept", kept]
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    source, seconds = python.parents[1] / "source", minutes * 60 if minutes else None
    try:
        done = subprocess.run(command, cwd=source, env=own, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return counts(kept)
    found = counts(kept)
    # 5: everything had passed before
    if done.returncode not in (0, 5) and "error" not in found:
        found["error"] = (done.stdout + done.stderr)[-800:]
    return found


def resolves(python: Path, wanted: Sequence[str]) -> str:
    """Why pip finds no set of versions for these requirements; empty where it does. Nothing is installed."""
    command = ["-m", "pip", "install", "-q", "--dry-run", "--ignore-installed", "--disable-pip-version-check"]
    try:
        run(python, *command, *wanted)
    except AssertionError as error:
        return str(error)
    return ""
