"""Rows on disk: what is there already, and the next one, so that a night that was interrupted goes on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.paper.runs import Run, identity
from benchmarks.record import RESULTS
from drpo.config import Config

Row = dict[str, Any]
FILE = RESULTS / "paper.jsonl"
DEFAULTS = {
    field.name: field.default
    for field in dataclasses.fields(Config)
    if field.default is not dataclasses.MISSING
}


def read(file: Path = FILE) -> list[Row]:
    """Every whole row; a last line that was torn when the run was killed is left out."""
    if not file.is_file():
        return []
    rows = []
    for line in file.read_text("utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def append(row: Row, file: Path = FILE) -> None:
    """Add a row in one write, on a line of its own even after a torn one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    torn = file.is_file() and not file.read_bytes().endswith(b"\n") and file.stat().st_size > 0
    with open(file, "a", encoding="utf-8") as rows:
        rows.write("\n" * torn + json.dumps(row, ensure_ascii=False) + "\n")


def find(rows: Sequence[Row], run: Run) -> Row | None:
    """The latest row that is the run's result, if there is one."""
    wanted = identity(run)
    return next((row for row in reversed(rows) if _same(row, wanted)), None)


def _same(row: Row, wanted: Row) -> bool:
    if any(row.get(name) != value for name, value in wanted.items() if name != "config"):
        return False
    known: Row = row["config"]
    return all(
        _plain(known.get(name, DEFAULTS.get(name))) == value for name, value in wanted["config"].items()
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
