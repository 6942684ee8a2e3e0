"""A run as one self-contained page: what it gained, its curves, its images before and after, its settings.

The page holds everything it shows and loads nothing. `rankkit gallery --extra` takes it up as a section of
its own page.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drpo.report.evaluate import BaseComparison
from drpo.run import checkpoint
from drpo.run.files import EVALUATIONS, GRIDS, LOG, find, read_rows
from rankkit import RankkitError
from rankkit.plugin import Curve, Section, h, image, line_chart, replacing_file, table, write_page

REPORT, EVALUATION = "report.html", "evaluation.json"
SMOOTH = 10  # steps in a running mean: one step's reward is of few prompts


def write(run: Path, out: Path | None = None, *, beside: Path | None = None) -> Path:
    """Write the page of a run, ``RUN/report.html`` unless `out` names another, and return its path.

    `beside` is a file of ``.jsonl`` rows of other runs (``arm``, ``seed``, ``curve``: reward per step); the
    last of a random ranker's is drawn beside this run's, and said to come from there.
    """
    sections = [_gains(run), _comparison(run), _curves(run, beside), _grid(run), _settings(run)]
    path = out or run / REPORT
    try:
        return write_page(path, f"drpo: {run.resolve().name}", [section for section in sections if section])
    except OSError as error:
        raise RankkitError(
            f"{path} cannot be written ({error.strerror or error}); give another file"
        ) from None


def keep(run: Path, comparisons: Sequence[BaseComparison], prompts: str) -> None:
    """Keep a comparison of the run with its base, for its page: numbers, not sentences."""
    kept = {"prompts": prompts, "rankers": [comparison.as_json() for comparison in comparisons]}
    with replacing_file(run / EVALUATION) as part:
        part.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def changes(run: Path) -> tuple[str, list[tuple[str, str, str]]] | None:
    """The step of a run's last evaluation, and each of its fields with the figure at the first and at the
    last; None where there is none.
    """
    rows = read_rows(find(run, EVALUATIONS))
    if not rows:
        return None
    first, last = rows[0], rows[-1]
    fields = [field for field in first if "/" in field] + ["diversity"]
    figures = [(field, _figure(first[field]), _figure(last.get(field))) for field in fields]
    return f"{last['step']:.0f}", figures


def _gains(run: Path) -> Section | None:
    """What rose and what fell between the first evaluation and the last."""
    found = changes(run)
    if not found:
        return None
    target, (steps, figures) = _target(run), found
    cells = [
        [_name(field) + (" (what was trained on)" if _name(field) == target else ""), before, after]
        for field, before, after in figures
    ]
    note = (
        "Means over the same prompts, none of them trained on where the run names its own, and the same "
        f"noises; {steps} steps."
    )
    return Section("What changed", table(["", "before", "after"], cells) + h("p", note, class_="note"))


def _comparison(run: Path) -> Section | None:
    """The comparison with the base, if one was made."""
    path = run / EVALUATION
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    if "rankers" not in found:  # earlier versions stored sentences
        lines = [str(line) for line in found.get("verdicts", [])]
    else:
        lines = [
            str(BaseComparison(**row | {"win_rate": row["win_rate"] or 0.0})) for row in found["rankers"]
        ]
    words = f"Image by image from the same noises, on the prompts {found['prompts']}:"
    if "rankers" not in found:
        words += " (as an earlier version of drpo worded it)"
    return Section("Against the base", h("p", words) + h("ul", [h("li", line) for line in lines]))


def _name(field: str) -> str:
    return field.partition("/")[2] or field


def _target(run: Path) -> str:
    return str(checkpoint.read(run)["ranker"])


def _curves(run: Path, beside: Path | None) -> Section | None:
    log = rewards(run)
    if not log:
        return None
    curves = [Curve(f"this run, ranker {_target(run)}", _smooth(log))]
    other = _random(beside) if beside else None
    if other:
        curves.append(other)
    words = f"Reward of the candidates while training: mean over each step, running mean of {SMOOTH} steps."
    return Section("Reward", line_chart(curves, x="step", y="reward") + h("p", words, class_="note"))


def rewards(run: Path) -> list[tuple[float, float]]:
    """The mean reward of the candidates by step, without the steps in which none got a score."""
    return [(row["step"], row["reward"]) for row in read_rows(run / LOG) if row.get("reward") is not None]


def reward_curve(points: Sequence[tuple[float, float]]) -> Curve:
    """The reward of a run's candidates by step, smoothed as on its page, under a name that says so."""
    return Curve(f"mean reward of the candidates, running mean of {SMOOTH} steps", _smooth(points))


def _random(beside: Path) -> Curve | None:
    """A control: the reward's course under a ranker that knows nothing, from the rows of an earlier
    benchmark.
    """
    rows = [row for row in read_rows(beside) if row.get("arm") == "random" and row.get("curve")]
    if not rows:
        return None
    row = rows[-1]
    source = f"from {beside.name} of {row.get('date', 'an earlier day')}"
    return Curve(
        f"random ranker, seed {row['seed']}, not run now: {source}",
        _smooth(list(enumerate(row["curve"], start=1))),
    )


def _smooth(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    values = [value for _, value in points]
    windows = [values[max(0, end - SMOOTH) : end] for end in range(1, len(values) + 1)]
    return [(step, sum(window) / len(window)) for (step, _), window in zip(points, windows, strict=True)]


def grids(run: Path) -> list[Path]:
    """The sample grids of a run, the latest last."""
    return sorted(find(run, GRIDS).glob("*.png"))


def _grid(run: Path) -> Section | None:
    found = grids(run)
    if not found:
        return None
    data = base64.b64encode(found[-1].read_bytes()).decode("ascii")
    words = "Each prompt’s images before training, and below them the images that the same noises give now."
    shown = image(f"data:image/png;base64,{data}", "images before and after")
    return Section("Before and after", h("p", words, class_="note") + shown)


def _settings(run: Path) -> Section:
    rows = [
        [name, value if isinstance(value, str) else json.dumps(value)]
        for name, value in checkpoint.read(run).items()
        if value not in ("", [])
    ]
    return Section("", h("details", h("summary", "Settings"), table(["", ""], rows)))


def _figure(value: Any) -> str:
    return "–" if value is None else f"{value:.3f}"
