"""Pythons of this machine, wheels built from copies of the folders, commands with packages of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
UNWANTED = shutil.ignore_patterns(".*", "build", "dist", "demo", "runs", "*.egg-info", "__pycache__")


def interpreter(version: str) -> str | None:
    """A Python of this version: on the PATH, or else of pyenv."""
    for candidate in _candidates(version):
        code = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
        try:
            answer = subprocess.run([candidate, "-I", "-c", code], capture_output=True, text=True)
        except OSError:
            continue
        said, _, place = answer.stdout.strip().partition(" ")
        if answer.returncode == 0 and said == version:
            return place
    return None


def _candidates(version: str) -> Iterator[str]:
    if found := shutil.which(f"python{version}"):
        yield found
    if shutil.which("pyenv"):
        prefix = subprocess.run(["pyenv", "prefix", version], capture_output=True, text=True)
        if prefix.returncode == 0:
            yield str(Path(prefix.stdout.strip(), "bin", "python"))


def build(place: Path) -> tuple[Path, list[Path]]:
    """The wheel of the core, and those of the plugins."""
    tools = place / "tools"
    run(sys.executable, "-m", "venv", tools)
    folders = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
    copies = [shutil.copytree(each, place / "source" / each.name, ignore=UNWANTED) for each in folders]
    run(tools / "bin" / "python", "-m", "pip", "wheel", "-q", "--no-deps", "-w", place / "wheels", *copies)
    wheels = sorted((place / "wheels").glob("*.whl"))
    (core,) = (each for each in wheels if each.name.startswith("rankkit_t2i-"))
    return core, [each for each in wheels if each != core]


def version_of(python: str) -> str:
    """Which Python it is, in full."""
    return run(python, "-I", "-c", "import platform; print(platform.python_version())").strip()


def run(*command: object, cwd: Path | None = None) -> str:
    """The stdout of a command that must succeed, with the packages of its own environment alone."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=own, capture_output=True, text=True)
    assert done.returncode == 0, f"{command[0]}: {done.stderr.strip()[-800:]}"
    return done.stdout
