"""Targets: rows that are read, and rows that a run goes on with, in each of their formats."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.fuzz.mutate import changed
from benchmarks.fuzz.target import Target
from rankkit.io.formats import all_rows
from rankkit.io.prompts import survey
from rankkit.io.rows import why_stale
from rankkit.registry.load import prepare
from rankkit.scoring import engine

RANKERS = ("contrast", "sharpness*2+saturation")
ODD: tuple[Any, ...] = (
    None, "", "nan", "NaN", "null", -1, 0, 2**63 - 1, 1e308, float("nan"), float("inf"), True, [], [1],
    {"a": 1}, b"\xff", "a" * 5000, "\x00", "{", "1" * 400, "../../etc/passwd",
)  # fmt: skip


def scored(suffix: str, image: Callable[[int], bytes]) -> bytes:
    """The rows of a run over two images."""
    shutil.rmtree("scored", ignore_errors=True)
    Path("scored").mkdir()
    for number, name in enumerate("ab"):
        Path("scored", f"{name}.png").write_bytes(image(number))
    rows = Path(f"rows.{suffix}")
    rows.unlink(missing_ok=True)
    engine.score(survey(["scored"]), [prepare(spec) for spec in RANKERS], rows)
    return rows.read_bytes()


def going_on(name: str) -> Callable[[bytes], object]:
    """A run that goes on with a file of this name, its output or the journal beside it."""
    output = Path(name.removesuffix(".journal"))

    def read(data: bytes) -> object:
        for left in Path().glob("rows.*"):
            left.unlink()
        Path(name).write_bytes(data)
        outcome = engine.score(survey(["scored"]), [prepare(spec) for spec in RANKERS], output)
        return outcome.scored, outcome.reused, outcome.abstained, outcome.stale

    return read


def reading(name: str) -> Callable[[bytes], object]:
    """The rows of a file of this name, as resuming and every table reads them."""

    def read(data: bytes) -> object:
        Path(name).write_bytes(data)
        rows = list(all_rows(name))
        kinds = {type(value).__name__ for row in rows for value in row.values()}
        return len(rows), sorted(kinds), sum(why_stale(row) is not None for row in rows)

    return read


def other_cells(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A csv file with one to three cells, or names of columns, changed."""
    try:
        table = [
            line for line in csv.reader(io.StringIO(data.decode("utf-8", "surrogateescape"), "")) if line
        ]
    except csv.Error:
        table = []
    if not table:
        return changed(rng, data, others)
    for _ in range(rng.randint(1, 3)):
        line = rng.choice(table)
        place = rng.randrange(len(line))
        if rng.random() < 0.5:
            line[place] = str(rng.choice(ODD))
        else:
            cell = line[place].encode("utf-8", "surrogateescape")
            line[place] = changed(rng, cell).decode("utf-8", "surrogateescape")
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator=rng.choice(("\n", "\r\n"))).writerows(table)
    return written.getvalue().encode("utf-8", "surrogateescape")


def other_columns(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A parquet file that was read and written again, with values, types or names of columns changed."""
    import pyarrow
    import pyarrow.parquet

    try:
        columns = pyarrow.parquet.read_table(pyarrow.BufferReader(data)).to_pydict()
        for _ in range(rng.randint(1, 3)):
            _change(rng, columns)
        written = io.BytesIO()
        pyarrow.parquet.write_table(
            pyarrow.table(columns), written, compression=rng.choice(("none", "snappy"))
        )
        return written.getvalue()
    except (pyarrow.ArrowException, OSError, ValueError, TypeError, IndexError, OverflowError):
        return changed(rng, data, others)


def _change(rng: Random, columns: dict[str, list[Any]]) -> None:
    name = rng.choice(list(columns))
    how = rng.randrange(6)
    if how == 0:
        del columns[name]
    elif how == 1:
        columns[rng.choice(("score", "rank", "image", "other", ""))] = columns.pop(name)
    elif how == 2:
        columns[name] = [rng.choice(ODD)] * len(columns[name])
    elif columns[name]:
        place = rng.randrange(len(columns[name]))
        value = columns[name][place]
        if isinstance(value, str) and how > 3:
            columns[name][place] = changed(rng, value.encode("utf-8", "replace")).decode("utf-8", "replace")
        else:
            columns[name][place] = rng.choice(ODD)


def targets(image: Callable[[int], bytes]) -> list[Target]:
    """The targets of this file, over images that `image` makes by number."""
    lines, cells, table = (example(suffix, image) for suffix in ("jsonl", "csv", "parquet"))
    return [
        Target("rows on resume, jsonl", going_on("rows.jsonl"), lines, 2),
        Target("rows on resume, csv", going_on("rows.csv"), cells, 2, other_cells),
        Target("rows on resume, parquet", going_on("rows.parquet"), table, 1, other_columns),
        Target("a journal on resume", going_on("rows.jsonl.journal"), lines, 2),
        Target("rows read, jsonl", reading("rows.jsonl"), lines, 10),
        Target("rows read, csv", reading("rows.csv"), cells, 10, other_cells),
        Target("rows read, parquet", reading("rows.parquet"), table, 10, other_columns),
    ]


def example(suffix: str, image: Callable[[int], bytes]) -> Callable[[], list[bytes]]:
    """What makes the example when it is asked for, in the process that fuzzes."""
    return lambda: [scored(suffix, image)]
