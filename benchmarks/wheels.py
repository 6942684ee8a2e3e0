"""Whether the wheels work by themselves, in a clean environment of each Python that this machine has.

    python -m benchmarks.wheels [3.12 ...]

Builds the wheels of rankkit-t2i and of every plugin from copies of their folders. Then, for each of Python
3.10 to 3.13 on the PATH or known to pyenv, makes a virtual environment, installs the core's wheel alone with
what it needs, scores one image with `sharpness`, and asks `rankkit doctor`. At last every plugin's wheel is
put beside it without dependencies: `rankkit list` must show each ranker with its card. A row per Python goes
to ``results/wheels.jsonl``; exit code 1: one of them failed, or there was none. pip needs an index.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.record import record

ROOT = Path(__file__).parents[1]
IMAGE = ROOT / "examples" / "apples-0.jpg"
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
UNWANTED = shutil.ignore_patterns(".*", "build", "dist", "demo", "runs", "*.egg-info", "__pycache__")


def main() -> None:
    """Build once, then try every Python."""
    wanted = sys.argv[1:] or VERSIONS
    found = [(version, python) for version in wanted if (python := interpreter(version))]
    missing = sorted(set(wanted) - {version for version, _ in found})
    if missing:
        print(f"not on this machine: Python {', '.join(missing)}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="rankkit-wheels-") as folder:
        core, plugins = build(Path(folder))
        rows = []
        for version, python in found:
            attempt = partial(tried, python, Path(folder, version), core, plugins)
            rows.append(record("wheels", "wheels", "python -m benchmarks.wheels", attempt))
            print(json.dumps({key: value for key, value in rows[-1].items() if key != "machine"}), flush=True)
    sys.exit(not rows or any("error" in row for row in rows))


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


def tried(python: str, place: Path, core: Path, plugins: Sequence[Path]) -> dict[str, Any]:
    """What the wheels do with one Python; `error` says where that ended."""
    version = run(python, "-I", "-c", "import platform; print(platform.python_version())").strip()
    row: dict[str, Any] = {"interpreter": version, "MB": round(core.stat().st_size / 1e6, 2)}
    rankkit = place / "bin" / "rankkit"
    pip = [place / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    try:
        started = time.monotonic()
        run(python, "-I", "-m", "venv", place)
        run(*pip, core)
        row["seconds to install"] = round(time.monotonic() - started, 1)
        started = time.monotonic()
        scored = json.loads(run(rankkit, "score", IMAGE, "-r", "sharpness", cwd=place))
        row |= {"seconds to score": round(time.monotonic() - started, 2), "score": scored["score"]}
        row["broken"] = _states(run(rankkit, "doctor", "--json", cwd=place)).count("broken")
        run(*pip, "--no-deps", *plugins)
        offers = json.loads(run(rankkit, "list", "--verbose", "--json", cwd=place))
        row |= {"rankers": len(offers), "cards": sum(bool(offer["card"]) for offer in offers)}
        assert row["rankers"] == row["cards"], "a ranker has no card"
    except (OSError, ValueError, AssertionError) as error:
        row["error"] = str(error)
    return row


def _states(findings: str) -> list[str]:
    return [each["state"] for each in json.loads(findings)]


def run(*command: object, cwd: Path | None = None) -> str:
    """The stdout of a command that must succeed, with the packages of its own environment alone."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=own, capture_output=True, text=True)
    assert done.returncode == 0, f"{command[0]}: {done.stderr.strip()[-800:]}"
    return done.stdout


if __name__ == "__main__":
    main()
