"""Rows, read once, to what the gallery shows of them (`rankkit.report.model`)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from rankkit.core.text import plain
from rankkit.core.types import ranks
from rankkit.io.rows import Row
from rankkit.report.model import Candidate, Cell, Column, Prompt, Results

MAX_DETAILS, MAX_DETAIL = 24, 4000  # entries of a row's details that are kept, and characters of each


def read_results(rows: Iterable[Row]) -> Results:
    """Read all rows once.

    Groups are told apart by id and prompt; of two rows for the same candidate and ranker the later one
    counts.
    """
    columns: dict[tuple[str, str, str], tuple[int, Column]] = {}
    prompts: dict[tuple[str, str], Prompt] = {}
    for row in rows:
        key = (str(row["group"] or ""), str(row["prompt"] or ""))
        prompt = prompts.setdefault(key, Prompt(len(prompts) + 1, *key))
        at = _column(columns, row)
        name = str(row["image"])
        prompt.candidates.setdefault(name, Candidate(name)).cells[at] = _cell(row)
    found = Results([column for _, column in columns.values()], list(prompts.values()))
    _label(found.columns)
    for prompt in found.prompts:
        _fill_ranks(prompt, found.columns)
    return found


def _column(columns: dict[tuple[str, str, str], tuple[int, Column]], row: Row) -> int:
    options = plain(dict(row["options"] or {}))
    key = (str(row["ranker"]), str(row["version"] or ""), json.dumps(options, sort_keys=True))
    if key not in columns:
        columns[key] = len(columns), Column(key[0], key[1], options, str(row["kind"] or "listwise"))
    return columns[key][0]


def _cell(row: Row) -> Cell:
    score = _finite(row["score"])
    details = dict(row["details"] or {})
    judge = _judge_of(details.get("judge"))
    if judge is not None:
        del details["judge"]
    return Cell(
        score=score,
        stderr=_finite(row["stderr"]),
        rank=None if score is None else _finite(row["rank"]),
        of=int(row["of"] or 0),
        error=str(row["error"] or "the ranker gave no reason") if score is None else None,
        sha256=str(row["sha256"] or ""),
        details=tuple((str(key), _bounded(value)) for key, value in list(details.items())[:MAX_DETAILS]),
        judge=judge,
    )


def _judge_of(found: Any) -> Mapping[str, Any] | None:
    """A pairwise judge's diagnostics as `rankkit.Pairwise` writes them.

    None where it is something else that bears that name.
    """
    known = isinstance(found, Mapping) and "calls" in found and "failed_calls" in found
    return {str(key): value for key, value in list(found.items())[:MAX_DETAILS]} if known else None


def _bounded(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)
    return text if len(text) <= MAX_DETAIL else text[:MAX_DETAIL] + "…"


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _fill_ranks(prompt: Prompt, columns: list[Column]) -> None:
    """Pointwise ranks are counted anew, so that rows of several files stand in one order.

    Other ranks only where rows lack them.
    """
    for at, column in enumerate(columns):
        cells = [
            cell
            for candidate in prompt.candidates.values()
            if (cell := candidate.cells.get(at)) and cell.score is not None
        ]
        if column.pointwise or any(cell.rank is None or cell.of < 1 for cell in cells):
            for cell, rank in zip(cells, ranks([cell.score or 0.0 for cell in cells]), strict=True):
                cell.rank, cell.of = rank, len(cells)


def _label(columns: list[Column]) -> None:
    """Give each column a label that tells it from its namesakes.

    The name alone where it is unique, else the name with the options, or the version, in which its namesakes
    differ.
    """
    for column in columns:
        namesakes = [other for other in columns if other.ranker == column.ranker]
        keys = sorted(
            {
                key
                for other in namesakes
                for key in other.options
                if len({_option(c, key) for c in namesakes}) > 1
            }
        )
        parts = [f"{key}={_option(column, key)}" for key in keys]
        if (
            len({tuple(_option(other, key) for key in keys) for other in namesakes}) < len(namesakes)
            and column.version
        ):
            parts.append(column.version)
        column.label = " · ".join([column.ranker, *parts])


def _option(column: Column, key: str) -> str:
    value = column.options.get(key, "default")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
