"""Rows to a leaderboard.

Means that say how sure they are, or how often one entry beats the others on the same prompt.
"""

from __future__ import annotations

import csv
import io
import json
import math
import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rankkit.analysis.stats import Mean, Rate, clustered_mean, win_interval
from rankkit.core.text import one_line
from rankkit.errors import BadRows, UsageError
from rankkit.io.formats import read_rows
from rankkit.io.rows import Row, label

FILE, FOLDER = "file", "folder"
Layout = Literal["text", "markdown", "csv", "json"]


@dataclass
class Summary:
    """One entry as one ranker sees it.

    Only pointwise scores have a mean: others compare within their group alone.
    """

    entry: str
    ranker: str
    pointwise: bool = True
    abstained: int = 0
    scores: list[float] = field(default_factory=list)
    prompts: list[int] = field(default_factory=list)
    wins: Rate | None = None
    best: tuple[float, str] = (-math.inf, "")

    @property
    def mean(self) -> Mean:
        """Mean score ± standard error, clustered by prompt.

        Images without a prompt are clusters of their own.
        """
        return clustered_mean(self.scores, self.prompts)


@dataclass(frozen=True)
class Leaderboard:
    """A leaderboard: `entries` (files or folders) by `rankers`; `left_out` rows no longer count."""

    entries: tuple[str, ...]
    rankers: tuple[str, ...]
    cells: Mapping[tuple[str, str], Summary]
    left_out: int = 0

    def as_json(self) -> list[dict[str, Any]]:
        """One object per cell; NaN is null."""
        return [_as_json(cell) for cell in self.cells.values()]


def table(files: Sequence[str | Path], *, by: str = FILE) -> Leaderboard:
    """Read row files into a leaderboard.

    With ``by="folder"`` an entry is the folder an image lies in, not the file of its row; with any other word
    it is the value of that field of the metadata that came with the prompt.

    Raises `BadRows` when the files hold no row, `UsageError` when none has that field.
    """
    cells: dict[tuple[str, str], Summary] = {}
    contests: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    prompts: dict[str, int] = {}
    names, left_out, fields = _labels(files), Counter[str](), dict[str, None]()
    for file, name in zip(files, names, strict=True):
        for row in read_rows(file, lambda row: left_out.update(rows=1)):
            metadata = _metadata(row)
            fields |= dict.fromkeys(metadata)
            entry = _entry(by, name, row["image"], metadata)
            ranker = label(row)
            cell = cells.setdefault((entry, ranker), Summary(entry, ranker))
            cell.pointwise &= row["kind"] == "pointwise"
            score = row["score"]
            if score is None:
                cell.abstained += 1
                continue
            cell.scores.append(score)
            cell.prompts.append(prompts.setdefault(row["prompt"] or f"\0{row['image']}", len(prompts)))
            cell.best = max(cell.best, (score, row["image"]), key=lambda found: found[0])
            if row["kind"] == "pointwise" and row["prompt"]:
                contests[ranker][row["prompt"]][entry].append(score)
            elif row["kind"] != "pointwise" and by != FILE:
                contests[ranker][row["group"]][entry].append(score)
    if not cells:
        raise BadRows(f"{', '.join(map(str, files))}: no rows to tell of")
    if by not in (FILE, FOLDER, *fields):
        known = ", ".join([FILE, FOLDER, *fields])
        raise UsageError(f"{', '.join(map(str, files))}: no row has the field {by!r}; there are {known}")
    entries, rankers = (tuple(dict.fromkeys(key[i] for key in cells)) for i in (0, 1))
    if len(entries) > 1:
        for cell in cells.values():
            cell.wins = _wins(cell.entry, contests[cell.ranker].values())
    return Leaderboard(entries, rankers, cells, left_out["rows"])


def _metadata(row: Row) -> Mapping[str, Any]:
    found = row["details"].get("metadata")
    return found if isinstance(found, dict) else {}


def _entry(by: str, file: str, image: str, metadata: Mapping[str, Any]) -> str:
    if by == FILE:
        return file
    return posixpath.dirname(image) or "." if by == FOLDER else str(metadata.get(by, f"(no {by})"))


def render(found: Leaderboard, *, form: Layout = "text", win_rate: bool = False) -> str:
    """A leaderboard as text, markdown, csv or json.

    Several entries: one line each, a column per ranker; one entry: a line per ranker.
    """
    if form == "json":
        return json.dumps(found.as_json(), indent=2, ensure_ascii=False)
    if len(found.entries) == 1:
        header, lines = _one_entry(found)
    else:
        header, lines = _many_entries(found, win_rate)
    return {"text": _text, "markdown": _markdown, "csv": _csv}[form](header, lines)


def _one_entry(found: Leaderboard) -> tuple[list[str], list[list[str]]]:
    header = ["ranker", "mean ± stderr", "images", "prompts", "abstained", "best"]
    lines = [
        [
            *(cell.ranker, plus_minus(cell.mean) if cell.pointwise else "within prompts only"),
            *(str(len(cell.scores)), str(len(set(cell.prompts))), str(cell.abstained)),
            cell.best[1] if cell.pointwise else "",
        ]
        for cell in found.cells.values()
    ]
    return header, lines


def _many_entries(found: Leaderboard, win_rate: bool) -> tuple[list[str], list[list[str]]]:
    """Each column's best value is marked with a star."""
    columns: dict[str, dict[str, tuple[float, str]]] = {}
    for ranker in found.rankers:
        cells = {
            entry: found.cells[entry, ranker] for entry in found.entries if (entry, ranker) in found.cells
        }
        columns[ranker] = {entry: _shown(cell, win_rate) for entry, cell in cells.items()}
    lines = []
    for entry in found.entries:
        line = [entry]
        for shown in columns.values():
            value, text = shown.get(entry, (math.nan, "–"))
            best = max((v for v, _ in shown.values() if not math.isnan(v)), default=math.nan)
            line.append(text + (" *" if value == best else ""))
        cells_of = [cell for (name, _), cell in found.cells.items() if name == entry]
        lines.append(
            [
                *line,
                str(max(len(cell.scores) + cell.abstained for cell in cells_of)),
                str(sum(cell.abstained for cell in cells_of)),
            ]
        )
    return [
        "entry",
        *(f"{ranker} (win rate)" if win_rate else ranker for ranker in found.rankers),
        "images",
        "abstained",
    ], lines


def _shown(cell: Summary, win_rate: bool) -> tuple[float, str]:
    if win_rate or not cell.pointwise:
        rate = cell.wins
        if rate is None or math.isnan(rate.rate):
            return math.nan, "–"
        return rate.rate, f"{100 * rate.rate:.1f} % ({100 * rate.low:.1f}–{100 * rate.high:.1f})"
    mean = cell.mean
    return mean.mean, plus_minus(mean)


def plus_minus(mean: Mean) -> str:
    """A mean with its standard error, both to the latter's second digit."""
    if math.isnan(mean.mean):
        return "–"
    if math.isnan(mean.stderr) or mean.stderr == 0:
        return f"{mean.mean:.5g}"
    digits = max(0, 1 - math.floor(math.log10(mean.stderr)))
    return f"{mean.mean:.{digits}f} ± {mean.stderr:.{digits}f}"


def _wins(entry: str, contests: Iterable[Mapping[str, list[float]]]) -> Rate:
    """How often this entry's mean score on a prompt beats another entry's, ties half.

    Prompts are clusters.
    """
    outcomes: list[float] = []
    clusters: list[int] = []
    for number, contest in enumerate(contests):
        if entry in contest:
            own = sum(contest[entry]) / len(contest[entry])
            for other, scores in contest.items():
                if other != entry:
                    mean = sum(scores) / len(scores)
                    outcomes.append(1.0 if own > mean else 0.5 if own == mean else 0.0)
                    clusters.append(number)
    return win_interval(outcomes, clusters)


def _labels(files: Sequence[str | Path]) -> list[str]:
    stems = [Path(file).stem for file in files]
    return stems if len(set(stems)) == len(stems) else [str(file) for file in files]


def _as_json(cell: Summary) -> dict[str, Any]:
    mean = cell.mean
    found: dict[str, Any] = {
        "entry": cell.entry,
        "ranker": cell.ranker,
        "images": len(cell.scores),
        "prompts": len(set(cell.prompts)),
    }
    found["abstained"] = cell.abstained
    found["mean"] = mean.mean if cell.pointwise and not math.isnan(mean.mean) else None
    found["stderr"] = mean.stderr if cell.pointwise and not math.isnan(mean.stderr) else None
    if cell.wins is not None and not math.isnan(cell.wins.rate):
        found |= {"win_rate": cell.wins.rate, "low": cell.wins.low, "high": cell.wins.high}
    return found


def _text(header: list[str], lines: list[list[str]]) -> str:
    lines = [[one_line(cell) for cell in line] for line in lines]
    widths = [max(len(line[i]) for line in [header, *lines]) for i in range(len(header))]
    rows = [header, ["-" * width for width in widths], *lines]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _markdown(header: list[str], lines: list[list[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows
    )


def _csv(header: list[str], lines: list[list[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([header, *lines])
    return out.getvalue().rstrip("\n")
