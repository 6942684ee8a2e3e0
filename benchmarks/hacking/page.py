"""The last row in words, for docs/paper.md, and as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.paper.rows import read
from benchmarks.record import RESULTS
from benchmarks.tables.cells import table
from rankkit.plugin import Curve, line_chart

FILE = RESULTS / "hacking.jsonl"
FIGURE = Path(__file__).parents[2] / "docs" / "hacking.svg"
NAMES = {
    "compressibility": "size as JPEG (trained to be small)",
    "shapes": "graded reward of the detector",
    "shapes:mode=strict": "right images",
    "contrast": "contrast",
}

Row = Mapping[str, Any]


def draw(path: Path = FIGURE, file: Path = FILE) -> Path:
    """Write the figure of the last row, and return its path."""
    chart = str(line_chart(curves(read(file)[-1]), x="step", y="share of the base's"))
    path.write_text(chart.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1) + "\n", "utf-8")
    return path


def curves(row: Row) -> list[Curve]:
    """Every figure as a share of the base's, along the run that went on, and where the other one ended."""
    found = row["evaluations"]
    drawn = [
        Curve(NAMES.get(name, name), [(one["step"], one["scores"][name] / value) for one in found])
        for name, value in found[0]["scores"].items()
    ]
    spread = [(one["step"], one["diversity"] / found[0]["diversity"]) for one in found]
    shares = [share for curve in drawn for _, share in curve.points]
    end = [(row["stopped_at"], low) for low in (min(shares), max(shares))]
    return [*drawn, Curve("diversity", spread), Curve("the stop rule ends the run", end)]


def section(rows: Sequence[Row]) -> str:
    """The section of docs/paper.md; empty without a row."""
    if not rows:
        return ""
    row = rows[-1]
    found = {one["step"]: one for one in row["evaluations"]}
    columns = list(dict.fromkeys((0, row["best_step"], row["stopped_at"], row["steps"])))
    lines = [
        (NAMES.get(name, name), *(f"{_shown(name, found[step]['scores'][name])}" for step in columns))
        for name in found[0]["scores"]
    ]
    lines.append(("diversity", *(f"{found[step]['diversity']:.2f}" for step in columns)))
    words = {
        0: "base",
        row["best_step"]: "best by held-out",
        row["stopped_at"]: "stopped",
        row["steps"]: "gone on",
    }
    words[0] = "base, and best by held-out" if row["best_step"] == 0 else words[0]
    base = " Nothing that was trained is better than the base, by these." if row["best_step"] == 0 else ""
    heads = [f"step {step}, {words[step]}" for step in columns]
    stopped = row["stopped_at"] < row["steps"]
    said = (
        f"The stop rule ended the run at step {row['stopped_at']}: {row['alarm']}."
        if row["alarm"]
        else f"**The stop rule did not end the run** in {row['steps']} steps."
    )
    after = (
        " A second run of the same seed with `on_alarm=warn` shows what that spared: the last column and the "
        "figure." if stopped else ""
    )  # fmt: skip
    return f"""## Reward hacking, seen

Trained on `{row["target"]}` alone, a reward that an image with nothing on it wins (the published method else,
fewer images, seed {row["seed"]}; `{row["command"]}`), the generator takes away what was asked for.
{said}
The checkpoint that the held-out rankers like best is that of step {row["best_step"]} (`best/`).{base}{after}

{table(("", *heads), lines)}
![Every figure as a share of the base's, by step](hacking.svg)
"""


def _shown(name: str, value: float) -> str:
    return f"{-value:.0f} bytes" if name == "compressibility" else f"{value:.3f}"
