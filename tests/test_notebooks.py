"""The notebooks of examples/ run as they stand, and are kept without outputs."""

import json
import os
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples" / "notebooks"


@pytest.mark.parametrize(
    "name",
    ["score_and_choose", "write_a_ranker", pytest.param("finetune_shapes", marks=pytest.mark.slow)],
)
def test_a_notebook_runs_from_top_to_bottom(name, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install '.[docs]'")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(FOLDER.parents[1]), os.environ.get("PYTHONPATH", "")])
    )
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(FOLDER)}}).execute()


def test_notebooks_are_kept_without_outputs_and_every_one_is_run():
    names = {"score_and_choose", "write_a_ranker", "finetune_shapes"}
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == names
    for path in FOLDER.glob("*.ipynb"):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells), path.name
