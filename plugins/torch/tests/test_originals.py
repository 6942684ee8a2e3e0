"""The original packages, really installed by `rankkit install NAME-official`, score through a pipe.

It downloads about 20 GB and takes about 15 minutes, so it is done when asked:
RANKKIT_ORIGINALS=FOLDER python -m pytest -m slow THIS_FILE. The environments are made in FOLDER and stay
there; those that are complete are used as they are.
"""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rankkit
from rankkit.remote.rankers import Pipe
from rankkit_torch import golden
from rankkit_torch.testing import PROMPTS

HOME = os.environ.get("RANKKIT_ORIGINALS", "")
PLUGINS = Path(__file__).parents[2]
NAMES = sorted(path.parent.parent.name for path in PLUGINS.glob("*/rankkit_*/official.py"))  # twins of ports


@pytest.mark.slow
@pytest.mark.skipif(not HOME, reason="RANKKIT_ORIGINALS=FOLDER is not set: 20 GB would be downloaded into it")
@pytest.mark.parametrize("name", NAMES)
def test_the_original_package_installs_and_scores_through_a_pipe_as_our_port_does_here(
    name, tmp_path, monkeypatch
):
    monkeypatch.setenv("RANKKIT_HOME", HOME)
    monkeypatch.setenv("RANKKIT_CONFIG", str(tmp_path / "rankkit.toml"))
    case = importlib.import_module(f"tiny_{name}")
    command = [sys.executable, "-m", "rankkit", "install", case.ORIGINAL]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip().endswith(case.ORIGINAL), done.stderr
    full = getattr(case, "SIZES", ("original_tiny",))[0] == "full"
    options, prompts = (
        (case.full if full else case.checkpoint)(tmp_path),
        PROMPTS[: 1 if full else len(PROMPTS)],
    )
    with rankkit.load(case.ORIGINAL, **case.original(tmp_path, **options)) as ranker:
        assert isinstance(ranker, Pipe) and f"+{case.PACKAGE}-" in ranker.version
        theirs = golden.scores_of(ranker, prompts)
    found = golden.difference(golden.scores_of(case.build(**options), prompts), theirs)
    assert (
        np.isfinite(theirs).all() and found["max_of_spread"] <= golden.TOLERANCE and found["kendall_min"] == 1
    ), found
