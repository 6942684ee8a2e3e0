"""A run as one self-contained page: what it gained, its curves, its pictures before and after, its settings.

The page holds everything it shows and loads nothing. What stands in its ``<main>`` can be put into a gallery:
`rankkit gallery --extra`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from drpo.report.charts import Curve, chart
from drpo.report.evaluate import Verdict
from drpo.run import checkpoint
from drpo.run.run import LOG, LOOKS, STRIPS, read
from rankkit import RankkitError

REPORT, EVALUATION = "report.html", "evaluation.json"
SMOOTH = 10  # steps in a running mean: one step's reward is of few prompts

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark }
table { border-collapse: collapse } th, td { text-align: left; padding: .1rem 1rem .1rem 0; vertical-align: top }
img, svg { max-width: 100% } .note { color: GrayText; font-size: .9em }
"""


def write(run: Path, out: Path | None = None, *, beside: Path | None = None) -> Path:
    """Write the page of a run, ``RUN/report.html`` unless `out` names another, and return its path.

    `beside` is a file of ``.jsonl`` rows of other runs (``arm``, ``seed``, ``curve``: reward per step); the
    last of a random ranker's is drawn beside this run's, and said to come from there.
    """
    title = f"drpo: {run.name}"
    head = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style></head>'
    body = "\n".join(
        part for part in (_gains(run), _curves(run, beside), _pictures(run), _settings(run)) if part
    )
    path = out or run / REPORT
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"{head}<body><h1>{escape(title)}</h1>\n<main>\n{body}\n</main></body></html>\n", encoding="utf-8"
        )
    except OSError as error:
        raise RankkitError(
            f"{path} cannot be written ({error.strerror or error}); give another file"
        ) from None
    return path


def keep(run: Path, verdicts: Sequence[Verdict], prompts: str) -> None:
    """Keep an evaluation of the run, for its page."""
    rows = [str(verdict) for verdict in verdicts]
    (run / EVALUATION).write_text(
        json.dumps({"prompts": prompts, "verdicts": rows}, indent=1) + "\n", encoding="utf-8"
    )


def _gains(run: Path) -> str:
    """What rose and what fell between the first look and the last, and the evaluation, if one was made."""
    looks = read(run / LOOKS)
    if not looks:
        return ""
    first, last = looks[0], looks[-1]
    names = [name for name in first if name.startswith("look/")] + ["diversity"]
    rows = [(name.removeprefix("look/"), first[name], last.get(name)) for name in names]
    cells = [
        [name + (" (what was trained on)" if name == _target(run) else ""), _figure(a), _figure(b)]
        for name, a, b in rows
    ]
    words = f"Means over the same prompts, none of them trained on where the run names its own, and the same noises; {last['step']:.0f} steps."
    return f'{_table(["", "before", "after"], cells)}<p class="note">{words}</p>' + _evaluation(run)


def _evaluation(run: Path) -> str:
    path = run / EVALUATION
    if not path.is_file():
        return ""
    found = json.loads(path.read_text(encoding="utf-8"))
    items = "".join(f"<li>{escape(verdict)}</li>" for verdict in found["verdicts"])
    return f"<p>Against the base, picture by picture, on the prompts {escape(found['prompts'])}:</p><ul>{items}</ul>"


def _target(run: Path) -> str:
    return str(checkpoint.read(run)["ranker"])


def _curves(run: Path, beside: Path | None) -> str:
    log = [(row["step"], row["reward"]) for row in read(run / LOG) if row.get("reward") is not None]
    if not log:
        return ""
    curves = [Curve(f"this run, ranker {_target(run)}", _smooth(log))]
    other = _random(beside) if beside else None
    if other:
        curves.append(other)
    words = f"Reward of the candidates while training: mean over each step, running mean of {SMOOTH} steps."
    return f'{chart(curves, x="step", y="reward")}<p class="note">{words}</p>'


def _random(beside: Path) -> Curve | None:
    """A control: the reward's course under a ranker that knows nothing, from the rows of an earlier
    benchmark.
    """
    row = next(
        (row for row in reversed(read(beside)) if row.get("arm") == "random" and row.get("curve")), None
    )
    return row and Curve(
        f"random ranker, seed {row['seed']}, not run now: from {beside.name} of {row.get('date', 'an earlier day')}",
        _smooth(list(enumerate(row["curve"], start=1))),
    )


def _smooth(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    values = [value for _, value in points]
    windows = [values[max(0, end - SMOOTH) : end] for end in range(1, len(values) + 1)]
    return [(step, sum(window) / len(window)) for (step, _), window in zip(points, windows, strict=True)]


def _pictures(run: Path) -> str:
    sheets = sorted((run / STRIPS).glob("*.png"))
    if not sheets:
        return ""
    data = base64.b64encode(sheets[-1].read_bytes()).decode("ascii")
    words = (
        "Each prompt’s pictures before training, and below them the pictures that the same noises give now."
    )
    return (
        f'<p class="note">{words}</p><img alt="pictures before and after" src="data:image/png;base64,{data}">'
    )


def _settings(run: Path) -> str:
    rows = [
        [name, value if isinstance(value, str) else json.dumps(value)]
        for name, value in checkpoint.read(run).items()
        if value not in ("", [])
    ]
    return f"<details><summary>Settings</summary>{_table(['', ''], rows)}</details>"


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in titles) if any(titles) else ""
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{body}</table>"


def _figure(value: Any) -> str:
    return "–" if value is None else f"{value:.3f}"
