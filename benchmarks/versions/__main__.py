"""Whether rankkit works with the lowest, or the newest, versions of what it needs.

    python -m benchmarks.versions WHAT [3.10] [--keep FOLDER] [--minutes M]

WHAT is one of lowest, lowest-drpo, newest, resolve, freeze and frozen.
`lowest` and `newest` make an environment without torch and run the core's quick tests in it; `lowest-drpo`
has what drpo needs too, and runs its quick tests (6 GB; an hour on two busy cores). `resolve` asks pip
whether drpo and each plugin have a set of versions at all when their own requirements are at the lowest.
`freeze` writes constraints.txt: the newest versions of the core and its extras, if the tests pass with them;
`frozen` tests those that stand there. With `--keep` the environment and the outcome of every test stay in
FOLDER, and the same command later goes on: with the tree as it is then, and the tests that have not passed.
`--minutes` bounds the tests of one command; the row says how many were not run.
A row goes to ``results/versions.jsonl``; exit code 1: something failed. pip needs an index.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.record import record
from benchmarks.versions.bounds import ROOT, TESTED, lowest, plugins, requirements
from benchmarks.versions.environment import DRPO, TESTS, made, resolves, tested
from benchmarks.wheels.environment import interpreter, run, version_of

TOOLS = ("pytest>=8", "hypothesis>=6.100", "msgpack>=1", "setuptools>=77")
DEFAULT = {
    **{"lowest": "3.10", "lowest-drpo": "3.10", "newest": "3.13"},
    **{"resolve": "3.11", "freeze": "3.12", "frozen": "3.12"},
}


def main() -> None:
    """One of the six, on one Python."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versions")
    parser.add_argument("what", choices=DEFAULT)
    parser.add_argument("version", nargs="?", help="of Python")
    parser.add_argument("--keep", type=Path, help="a folder for the environment and the outcomes")
    parser.add_argument("--minutes", type=float, help="that the tests may take")
    given = parser.parse_args()
    what, version = given.what, given.version or DEFAULT[given.what]
    python = interpreter(version)
    if python is None:
        sys.exit(f"Python {version} is not on this machine; name another")
    with _folder(given.keep) as folder:
        folder.chmod(0o755)  # some tests act as another user, who must reach the packages
        measure = partial(_tried, what, python, folder / "venv", given.minutes)
        if what == "resolve":
            measure = partial(_resolve, python, folder / "venv")
        row = record("versions", f"versions-{what}", f"python -m benchmarks.versions {what}", measure)
    print(json.dumps({key: value for key, value in row.items() if key != "machine"}))
    sys.exit("error" in row or bool(row.get("not run")))


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """The folder `keep`, or one for this run alone."""
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="rankkit-versions-") as folder:
        yield Path(folder)


def _tried(what: str, python: str, place: Path, minutes: float | None) -> dict[str, Any]:
    drpo = what == "lowest-drpo"
    asked = requirements(ROOT, [*TESTED, "drpo"] if drpo else TESTED)
    wanted = [*(lowest(asked) if what.startswith("lowest") else asked), *TOOLS]
    if what == "frozen":
        wanted += ["-c", str(ROOT / "constraints.txt")]
    try:
        own = made(python, place, wanted)
        row = {"interpreter": version_of(python), **tested(own, DRPO if drpo else TESTS, minutes)}
    except AssertionError as error:
        return {"interpreter": version_of(python), "error": str(error)}
    frozen = run(own, "-m", "pip", "freeze", "--exclude", "rankkit-t2i").splitlines()
    if what == "freeze" and "error" not in row and not row["not run"]:
        passed = f"# Versions with which the tests passed on Python {row['interpreter']}"
        head = f"{passed}: pip install -c constraints.txt ."
        (ROOT / "constraints.txt").write_text("\n".join([head, *frozen]) + "\n", "utf-8")
    return {**row, "versions": frozen}


def _resolve(python: str, place: Path) -> dict[str, Any]:
    run(python, "-I", "-m", "venv", place)
    sets = {"drpo": requirements(ROOT, ["drpo"])}
    sets |= {path.name: requirements(path) + requirements(ROOT / "plugins/torch") for path in plugins()}
    reasons = {name: resolves(place / "bin" / "python", lowest(asked)) for name, asked in sets.items()}
    failed = {name: reason for name, reason in reasons.items() if reason}
    row: dict[str, Any] = {"interpreter": version_of(python), "sets": list(sets)}
    return {**row, "error": failed} if failed else row


if __name__ == "__main__":
    main()
