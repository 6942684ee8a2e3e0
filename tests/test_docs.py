"""What the README shows is run; what docs/ says is what the code says."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def run(command, folder):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def test_the_readme_starts_with_the_two_commands_and_make_knows_them():
    assert BLOCKS[0] == ("bash", "make demo\nmake test\n")
    for target in ("demo", "test", "test-all", "lint", "docs", ".venv"):
        assert run(f"make -n {target}", ROOT).returncode == 0, target


def test_every_block_of_the_readme_runs(tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    for language, code in BLOCKS[1:]:
        if language == "python" and code.startswith("# "):
            (tmp_path / code.split("\n")[0][2:]).write_text(code)
        elif language in ("python", "bash"):
            command = f"{sys.executable} - <<'END'\n{code}\nEND" if language == "python" else code
            result = run(command, tmp_path)
            assert result.returncode == 0, f"{code}\n{result.stdout}{result.stderr}"
    assert {"scores.jsonl", "report.html"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("page", ["commands.md", "rankers.md", "training.md"])
def test_the_generated_pages_are_up_to_date(page):
    spec = importlib.util.spec_from_file_location("docs_make", ROOT / "docs" / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    assert (ROOT / "docs" / page).read_text("utf-8") == make.PAGES[page](), "run make docs"


def test_links_of_the_readme_and_contributing_lead_somewhere():
    for page in ("README.md", "CONTRIBUTING.md"):
        for link in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text("utf-8")):
            assert link.startswith("http") or (ROOT / link).exists(), f"{page}: {link}"
