"""A plugin of pytest that keeps the outcome of every test as it ends, and leaves out what passed before.

    python -m pytest -p benchmarks.versions.kept --kept FILE TESTS

So a run that was stopped, or whose failures were mended, goes on where it was.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

GOOD = ("passed", "skipped")


def outcomes(file: Path) -> Mapping[str, str]:
    """The last outcome of every test by its name; a last line that was not finished does not count."""
    lines = file.read_text("utf-8").split("\n")[:-1] if file.is_file() else []
    return {row["test"]: row["outcome"] for row in map(json.loads, lines)}


def counts(file: Path) -> dict[str, object]:
    """How many tests passed, were skipped, failed and were never run; `error` names those that failed."""
    found = outcomes(file)
    planned = file.with_suffix(".planned")
    names = planned.read_text("utf-8").splitlines() if planned.is_file() else []
    failed = sorted(name for name, outcome in found.items() if outcome == "failed")
    row: dict[str, object] = {**Counter(found.values()), "not run": len(set(names) - set(found))}
    return {**row, "error": ", ".join(failed)[:800]} if failed else row


class Kept:
    """The outcomes in one file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        if file.is_file():  # a line that a kill left unfinished goes
            text = file.read_text("utf-8")
            file.write_text(text[: text.rfind("\n") + 1], "utf-8")

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what passed, or was skipped for a reason of its own."""
        known = outcomes(self.file)
        done = [item for item in items if known.get(item.nodeid) in GOOD]
        items[:] = [item for item in items if known.get(item.nodeid) not in GOOD]
        config.hook.pytest_deselected(items=done)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Write down what is to be run, markers taken into account, beside what has an outcome."""
        names = {*outcomes(self.file), *(item.nodeid for item in session.items)}
        self.file.with_suffix(".planned").write_text("\n".join(sorted(names)), "utf-8")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One line for each test, and for what fails before or after it."""
        if report.when == "call" or report.outcome != "passed":
            row = {"test": report.nodeid, "outcome": report.outcome}
            with open(self.file, "a", encoding="utf-8") as kept:
                kept.write(json.dumps(row) + "\n")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kept", type=Path, required=True)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Kept(config.getoption("--kept")))
