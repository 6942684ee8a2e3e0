"""Parts of the page that are gathered from runs: tasks, the proxy, tries, curves, cost."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence

from benchmarks.baselines import METHODS
from benchmarks.paper import rows as kept
from benchmarks.paper.night import chosen, tries
from benchmarks.paper.plan import Arm
from benchmarks.paper.rows import Row
from benchmarks.tables.cells import table
from drpo.shapes.world import TASKS
from rankkit.plugin import Curve, line_chart

Found = Mapping[Arm, Mapping[int, Row]]

GENEVAL = {  # SD-Turbo, before and after DrPO, percent (arXiv 2606.02521)
    "single": "98.8 → 100.0", "two": "46.5 → 55.6", "counting": "33.8 → 42.5",
    "colors": "83.8 → 87.2", "position": "8.0 → 13.0", "attribution": "9.0 → 13.0",
}  # fmt: skip
DRAWN = ("DrPO", "DRaFT", "best of K, finetuned", "GRPO")  # of the figure: as many as it has colours


def tasks(found: Found) -> str:
    """Per task the share right before and after, least to greatest over seeds."""
    first = next(row for runs in found.values() for row in runs.values())
    lines = [
        (
            task,
            f"{first['tasks'][task]['before']:.2f}",
            *(_range([row["tasks"][task]["after"] for row in runs.values() if "tasks" in row])
              for runs in found.values()),
            GENEVAL[task],
        )
        for task in TASKS
    ]  # fmt: skip
    return table(("task", "base", *(arm.title for arm in found), "paper: GenEval, SD-Turbo"), lines)


def proxy(found: Found) -> str:
    """What the proxy is worth."""
    rows = [row for runs in found.values() for row in runs.values() if "proxy" in row]
    if not rows:
        return ""
    said = rows[-1]["proxy"]
    return (
        f"The proxy: a small convolutional network, trained on {said['images']:,.0f} images of the base "
        "(beyond those that training draws) and the detector's graded scores of them; correlation with the "
        "detector on the base's images for prompts that it was not trained on: "
        f"{said['correlation']:.3f}.\n"
    )


def tuning(rows: Sequence[Row]) -> str:
    """The tries of every baseline, and which is shown above."""
    lines = []
    for name, method in METHODS.items():
        best = chosen(name, rows)
        for run in tries(name):
            if row := kept.find(rows, run):
                after = row.get("diverged") if row.get("after") is None else f"{row['after']:.3f}"
                settings = f"{run.settings[0].replace('=', ' ')}, {method.knob} {run.knob:g}"
                lines.append((method.title, settings, str(after), "taken" if run == best else ""))
    head = ("baseline", "try", "right, tuning prompts", "")
    return f"### Tries\n\n{table(head, lines)}" if lines else ""


def curves(found: Found) -> str:
    """Right on held-out prompts along the runs, mean over seeds."""
    means = {arm.title: along for arm, runs in found.items() if (along := _along(runs, "after"))}
    if not means:
        return ""
    steps = [f"{step:.0f}" for step, _ in next(iter(means.values()))]
    lines = [(title, *(f"{value:.3f}" for _, value in points)) for title, points in means.items()]
    shown = "![Curves of the graded reward](paper-curves.svg)\n"
    return f"### Reward curves\n\n{table(('right at step', *steps), lines)}\n{shown}"


def figure(found: Found) -> str:
    """Curves of the graded reward on held-out prompts, as SVG; empty without rows."""
    drawn = {arm.title: _along(runs, "score") for arm, runs in found.items() if arm.title in DRAWN}
    curves = [Curve(title, points) for title, points in drawn.items() if points]
    if not curves:
        return ""
    chart = str(line_chart(curves, x="step", y="graded reward"))
    return chart.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1) + "\n"


def known(found: Found) -> str:
    """Whole runs of the main comparison as the lines that `drpo evaluate` puts beside a run."""
    fields = ("seed", "date", "before", "after", "images")
    rows = [
        {"method": arm.title} | {name: row[name] for name in fields if name in row}
        for arm, runs in found.items()
        for row in runs.values()
        if row.get("after") is not None
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


def cost(found: Found) -> str:
    """CPU seconds of one update, and its ratio to DrPO's in the same table."""
    seconds = {
        arm.title: statistics.median(row["cpu_seconds"] / row["along"][-1]["step"] for row in runs.values())
        for arm, runs in found.items()
        if runs and all(row.get("along") for row in runs.values())
    }
    own = seconds.get("DrPO")
    if not own:
        return ""
    lines = [(title, f"{spent:.2f}", f"{spent / own:.2f}") for title, spent in seconds.items()]
    draft = seconds.get("DRaFT")
    said = (
        f"\nDRaFT's update costs {draft / own:.2f} times DrPO's here, where the proxy is small and the "
        "detector cheap; the paper's 3.51 (HPSv3, 21.62 s against 6.17 s, effective batch 192) comes from "
        "going back through a reward model of 7 billion weights: "
        f"**{'holds' if draft > own else 'does not'}** at this size.\n"
        if draft
        else ""
    )
    head = ("", "CPU seconds of an update", "against DrPO")
    return f"### Cost of an update\n\n{table(head, lines)}{said}\nOther work ran beside on two cores.\n"


def _along(runs: Mapping[int, Row], name: str) -> list[tuple[float, float]]:
    """Means over seeds at every step that all runs were measured at."""
    found = [{point["step"]: point[name] for point in row.get("along", [])} for row in runs.values()]
    shared = sorted(set.intersection(*map(set, found))) if found else []
    return [(step, statistics.fmean(one[step] for one in found)) for step in shared]


def _range(values: Sequence[float]) -> str:
    if not values:
        return ""
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{statistics.fmean(values):.2f} ({min(values):.2f}–{max(values):.2f})"
