"""The section of docs/paper.md: every change beside the method as published, and the figure of its curves."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.improve.plan import default_of, run_of
from benchmarks.improve.variants import VARIANTS
from benchmarks.paper import rows as kept
from benchmarks.paper.claims import interval
from benchmarks.paper.plan import SEEDS, TUNING_SEED, TUNING_STEPS
from benchmarks.paper.rows import Row
from benchmarks.tables.cells import table
from rankkit.plugin import Curve, line_chart

FIGURE = "improve.svg"
DRAWN = 8  # curves of one figure
Pairs = Mapping[int, tuple[Row, Row]]
"""By seed, the published method's row and the change's."""

HEAD = f"""## Better than the paper?

Changes of the method, each beside the recipe `shapes` with the method as published
(`benchmarks/paper/published.py`), with the same seeds and as many generated images
(`python -m benchmarks.improve run`, code in `benchmarks/improve/`). A try on the tuning prompts first
({TUNING_STEPS} steps where none are named, seed {TUNING_SEED}: no more than a glance), then fresh seeds on
the final prompts. A difference is between runs of one seed; **better** and **worse** say that its whole 95 %
interval over three seeds or more is above or below 0. What is better at the recipe's own number of images is
what the recipe does since; the rest stays out of it.
"""


def section(rows: Sequence[Row]) -> str:
    """The section; empty without a row of a change."""
    found = {name: pairs(name, rows) for name in VARIANTS}
    lines = [_line(name, each) for name, each in found.items() if each]
    if not lines:
        return ""
    head = (
        "", "try: published → change (diversity)", "seeds", "right: published → change", "difference",
        "diversity / base", "position, attribution", "",
    )  # fmt: skip
    words = "".join(f"- *{VARIANTS[name].title}*: {VARIANTS[name].words}.\n" for name in found if found[name])
    lacking = [VARIANTS[name].title for name in found if not found[name]]
    shown = "\n![Right images by step](improve.svg)\n" if figure(rows) else ""
    untried = f"\nNot run: {', '.join(lacking)}.\n" if lacking else ""
    return f"{HEAD}\n{table(head, lines)}\n{words}{untried}{shown}"


def pairs(name: str, rows: Sequence[Row]) -> Pairs:
    """Seeds at which both were run, the tuning seed among them."""
    both = {
        seed: (kept.find(rows, default_of(name, seed)), kept.find(rows, run_of(name, seed)))
        for seed in (TUNING_SEED, *SEEDS)
    }
    return {seed: (one, other) for seed, (one, other) in both.items() if one and other}


def verdict(differences: Sequence[float]) -> str:
    """In a word, whether a change is better than the published method."""
    if len(differences) < 3:
        return "fewer than three seeds"
    low, high = interval(differences)
    return "**better**" if low > 0 else "**worse**" if high < 0 else "cannot tell"


def figure(rows: Sequence[Row]) -> str:
    """Right on the final prompts along the runs, mean over seeds, as SVG: the published method, and the
    changes with most seeds; empty without any.
    """
    ran = {name: _fresh(pairs(name, rows)) for name, variant in VARIANTS.items() if not variant.beside}
    names = sorted((name for name in ran if ran[name]), key=lambda name: -len(ran[name]))[: DRAWN - 1]
    if not names:
        return ""
    own = {seed: row for name in names for seed, (row, _) in ran[name].items()}
    curves = [Curve("as published", _along(list(own.values())))]
    curves += [Curve(VARIANTS[name].title, _along([row for _, row in ran[name].values()])) for name in names]
    chart = str(line_chart(curves, x="step", y="right"))
    return chart.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1) + "\n"


def _line(name: str, found: Pairs) -> tuple[str, ...]:
    tried, fresh = found.get(TUNING_SEED), list(_fresh(found).values())
    glance = " → ".join(f"{_right(row):.3f} ({row.get('diversity', 0):.2f})" for row in tried or ())
    if not fresh:
        return VARIANTS[name].title, glance, "", "", "", "", "", "a try only"
    own, changed = ([_right(pair[side]) for pair in fresh] for side in (0, 1))
    differences = [after - before for before, after in zip(own, changed, strict=True)]
    spread = [statistics.fmean(pair[side].get("diversity", 0) for pair in fresh) for side in (0, 1)]
    tasks = [
        statistics.fmean(pair[1].get("tasks", {}).get(task, {}).get("after", 0) for pair in fresh)
        for task in ("position", "attribution")
    ]
    return (
        VARIANTS[name].title,
        glance,
        str(len(fresh)),
        f"{statistics.fmean(own):.3f} → {statistics.fmean(changed):.3f}",
        _with_bounds(differences),
        f"{spread[0]:.2f} → {spread[1]:.2f}",
        f"{tasks[0]:.2f}, {tasks[1]:.2f}",
        verdict(differences),
    )


def _with_bounds(values: Sequence[float]) -> str:
    mean = f"{statistics.fmean(values):+.3f}"
    if len(values) < 2:
        return mean
    low, high = interval(values)
    return f"{mean} ({low:+.3f} to {high:+.3f})"


def _fresh(found: Pairs) -> Pairs:
    return {seed: pair for seed, pair in found.items() if seed != TUNING_SEED}


def _right(row: Row) -> float:
    return float(row.get("after") or 0.0)


def _along(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """The mean at every step that all were measured at."""
    found = [{point["step"]: point["after"] for point in row.get("along", [])} for row in rows]
    shared = sorted(set.intersection(*map(set, found))) if found else []
    return [(step, statistics.fmean(one[step] for one in found)) for step in shared]
