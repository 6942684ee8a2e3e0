"""A leaderboard as text, markdown, LaTeX, csv or JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Literal

from rankkit.analysis.leaderboard import Leaderboard, Summary
from rankkit.analysis.stats import Mean
from rankkit.core.text import in_columns, one_line
from rankkit.io.row_tables import FORMULA

Layout = Literal["text", "markdown", "latex", "csv", "json"]
LATEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
        **{"±": r"$\pm$", "–": "--", "<": "$<$", ">": "$>$", "\n": " ", "\r": " "},
    }
)


def render(found: Leaderboard, *, form: Layout = "text", win_rate: bool = False) -> str:
    """A leaderboard for people, as text, markdown or latex, or for programs, as csv or json.

    Several entries: one line each, a column per ranker; one entry: a line per ranker. csv and json hold a
    line or an object per entry and ranker, with every number.
    """
    if form == "json":
        return json.dumps(found.as_json(), indent=2, ensure_ascii=False)
    if form == "csv":
        return _csv(found)
    if len(found.entries) == 1:
        header, lines = _one_entry(found)
    else:
        header, lines = _many_entries(found, win_rate)
    return {"text": _text, "markdown": _markdown, "latex": _latex}[form](header, lines)


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


def _text(header: list[str], lines: list[list[str]]) -> str:
    lines = [[one_line(cell) for cell in line] for line in lines]
    dashes = ["-" * max(map(len, column)) for column in zip(header, *lines, strict=True)]
    return "\n".join(in_columns([header, dashes, *lines]))


def _markdown(header: list[str], lines: list[list[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows
    )


def _latex(header: list[str], lines: list[list[str]]) -> str:
    """A tabular without packages; what text marks with a star is bold."""

    def row(cells: list[str]) -> str:
        starred = [(cell.removesuffix(" *").translate(LATEX), cell.endswith(" *")) for cell in cells]
        return " & ".join(f"\\textbf{{{text}}}" if best else text for text, best in starred) + r" \\"

    columns = f"l{'r' * (len(header) - 1)}"
    rows = [row(header), r"\hline", *map(row, lines)]
    return "\n".join([f"\\begin{{tabular}}{{{columns}}}", r"\hline", *rows, r"\hline", r"\end{tabular}"])


def _csv(found: Leaderboard) -> str:
    """What JSON holds, a line per entry and ranker; text that a spreadsheet would run has an apostrophe."""
    cells = found.as_json()
    out = io.StringIO()
    table = csv.DictWriter(
        out, list(dict.fromkeys(name for cell in cells for name in cell)), lineterminator="\n"
    )
    table.writeheader()
    for cell in cells:
        table.writerow({
            name: f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
            for name, value in cell.items()
        })  # fmt: skip
    return out.getvalue().rstrip("\n")
