"""An environment with given versions: made, and the core's quick tests run in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.versions.bounds import ROOT
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
    """A virtual environment with these packages and a copy of rankkit, for its Python."""
    run(python, "-I", "-m", "venv", place)
    own = place / "bin" / "python"
    pip = [own, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    run(*pip, *wanted)
    copy = shutil.copytree(ROOT, place / "source", ignore=UNWANTED)
    run(*pip, "--no-deps", copy)
    return own


def tested(python: Path, tests: Sequence[str] = TESTS) -> dict[str, object]:
    """How many of the quick tests passed, and which failed."""
    left_out = [f"--ignore={path}" for path in LEFT_OUT]
    command = [python, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", *tests, *left_out]
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=python.parents[1] / "source", env=own, capture_output=True, text=True)
    said = done.stdout + done.stderr
    counts = {
        word: int(count) for count, word in re.findall(r"(\d+) (passed|failed|skipped|errors?)\b", said)
    }
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", said, re.MULTILINE)
    return {**counts, **({"error": ", ".join(failed)[:800] or said[-800:]} if done.returncode else {})}


def resolves(python: Path, wanted: Sequence[str]) -> str:
    """Why pip finds no set of versions for these requirements; empty where it does. Nothing is installed."""
    command = ["-m", "pip", "install", "-q", "--dry-run", "--ignore-installed", "--disable-pip-version-check"]
    try:
        run(python, *command, *wanted)
    except AssertionError as error:
        return str(error)
    return ""
