"""Whether the wheels work by themselves, in a clean environment of each Python that this machine has.

    python -m benchmarks.wheels [core|plugins] [3.12 ...]

Builds the wheels of rankkit-t2i and of every plugin from copies of their folders. Then, for each of Python
3.10 to 3.13 on the PATH or known to pyenv, makes a virtual environment. `core` (the default) installs the
core's wheel alone with what it needs, scores one image with `sharpness`, and asks `rankkit doctor`; then
every plugin's wheel is put beside it without dependencies: `rankkit list` must show each with its card.
`plugins` installs all wheels with all that they need, and scores one image with each ranker of each plugin
on tiny random weights; rankers with an environment of their own are left out, and judges that need replies in
a published form.
That takes 6 GB for each Python, or 1.5 where pip's own settings lead to a PyTorch without CUDA.

A row per Python goes to ``results/wheels.jsonl``; exit code 1: one of them failed, or there was none. pip
needs an index.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.record import record
from benchmarks.wheels.environment import ROOT, VERSIONS, build, interpreter, run, version_of

IMAGE = ROOT / "examples" / "apples-0.jpg"
TINY = Path(__file__).with_name("tiny.py")
SHOWN = ("torch==", "transformers==", "open_clip", "rapidocr==")  # versions that a row has


def main() -> None:
    """Build once, then try every Python."""
    given = sys.argv[1:]
    what = given.pop(0) if given and given[0] in ("core", "plugins") else "core"
    wanted = given or VERSIONS
    found = [(version, python) for version in wanted if (python := interpreter(version))]
    missing = sorted(set(wanted) - {version for version, _ in found})
    if missing:
        print(f"not on this machine: Python {', '.join(missing)}", file=sys.stderr)
    name, tried = ("wheels", core_alone) if what == "core" else ("wheels-plugins", all_plugins)
    with tempfile.TemporaryDirectory(prefix="rankkit-wheels-") as folder:
        core, plugins = build(Path(folder))
        rows = []
        for version, python in found:
            attempt = partial(tried, python, Path(folder, version), core, plugins)
            rows.append(record("wheels", name, f"python -m benchmarks.wheels {what}", attempt))
            print(json.dumps({key: value for key, value in rows[-1].items() if key != "machine"}), flush=True)
            shutil.rmtree(Path(folder, version), ignore_errors=True)
    sys.exit(not rows or any("error" in row for row in rows))


def core_alone(python: str, place: Path, core: Path, plugins: Sequence[Path]) -> dict[str, Any]:
    """What the core's wheel does with one Python; `error` says where that ended."""
    row: dict[str, Any] = {"interpreter": version_of(python), "MB": round(core.stat().st_size / 1e6, 2)}
    rankkit = place / "bin" / "rankkit"
    try:
        row["seconds to install"] = installed(python, place, core)
        started = time.monotonic()
        scored = json.loads(run(rankkit, "score", IMAGE, "-r", "sharpness", cwd=place))
        row |= {"seconds to score": round(time.monotonic() - started, 2), "score": scored["score"]}
        findings = json.loads(run(rankkit, "doctor", "--json", cwd=place))
        row["broken"] = sum(finding["state"] == "broken" for finding in findings)
        run(place / "bin" / "python", "-m", "pip", "install", "-q", "--no-deps", *plugins)
        row |= offered(rankkit, place)
    except (OSError, ValueError, AssertionError) as error:
        row["error"] = str(error)
    return row


def all_plugins(python: str, place: Path, core: Path, plugins: Sequence[Path]) -> dict[str, Any]:
    """What every plugin's wheel does with one Python, all in one environment; `error` says which failed."""
    row: dict[str, Any] = {"interpreter": version_of(python), "scores": {}}
    try:
        row["seconds to install"] = installed(python, place, core, *plugins)
        row |= offered(place / "bin" / "rankkit", place)
        kept = run(place / "bin" / "python", "-m", "pip", "freeze").splitlines()
        row["versions"] = [
            each for each in kept if each.startswith(("torch==", "transformers==", "open_clip"))
        ]
    except (OSError, ValueError, AssertionError) as error:
        return {**row, "error": str(error)}
    failed = []
    copies = core.parents[1] / "source"  # what the wheels were built of, tests included
    for folder in sorted(copies.iterdir()):
        if folder.name in ("torch", ROOT.name):  # what plugins share, which has no ranker; the core
            continue
        try:
            row["scores"] |= json.loads(run(place / "bin" / "python", "-I", TINY, folder, IMAGE, cwd=place))
        except (ValueError, AssertionError) as error:
            failed.append(f"{folder.name}: {error}")
    return {**row, "error": "; ".join(failed)} if failed else row


def installed(python: str, place: Path, *wheels: Path) -> float:
    """Seconds that an environment with these wheels took."""
    started = time.monotonic()
    run(python, "-I", "-m", "venv", place)
    run(place / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *wheels)
    return round(time.monotonic() - started, 1)


def offered(rankkit: Path, place: Path) -> dict[str, int]:
    """How many rankers `rankkit list` shows, and how many with a card: all of them must have one."""
    offers = json.loads(run(rankkit, "list", "--verbose", "--json", cwd=place))
    found = {"rankers": len(offers), "cards": sum(bool(offer["card"]) for offer in offers)}
    assert found["rankers"] == found["cards"], "a ranker has no card"
    return found


if __name__ == "__main__":
    main()
