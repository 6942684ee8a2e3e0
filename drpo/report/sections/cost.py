"""What a run cost, and its settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drpo.report import kept
from drpo.report.sections import parts
from drpo.run import checkpoint
from drpo.run.files import LOG, read_rows
from drpo.train import PHASES
from rankkit.plugin import Section, h

MIB = 1024


def cost(run: Path) -> Section | None:
    """Time by phase, images, memory."""
    rows = read_rows(run / LOG)
    spent = phases(rows)
    if not spent:
        return None
    total, steps = sum(spent.values()), len(rows)
    lines = [[name, duration(seconds), parts.share(seconds / total), f"{seconds / steps:.3g} s"]
             for name, seconds in spent.items()]  # fmt: skip
    shown = [_bar(spent), parts.rows(["", "time", "share", "per step"], lines, "Time by phase")]
    numbers = [[name, words] for name, words in _numbers(run, rows, total).items()]
    made = [
        parts.card("Time", "", shown),
        parts.card("Amounts", "", parts.rows(["", ""], numbers, "Amounts")),
    ]
    return Section("Cost", parts.cards(made))


def phases(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Seconds of the run's steps by phase, of its main process, evaluations left out."""
    found = {name: sum(row.get(f"s_{name}") or 0.0 for row in rows) for name in PHASES}
    return {name: seconds for name, seconds in found.items() if seconds}


def images_made(run: Path) -> int:
    """Candidates that were generated for the steps done so far."""
    settings = checkpoint.read(run)
    return len(read_rows(run / LOG)) * int(settings["prompts_per_step"]) * int(settings["group_size"])


def duration(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 90:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 5400 else f"{seconds / 3600:.3g} h"


def settings(run: Path) -> Section:
    """Every setting that is not empty."""
    found: Mapping[str, Any] = checkpoint.read(run)
    lines = [
        [name, value if isinstance(value, str) else json.dumps(value)]
        for name, value in found.items()
        if value not in ("", [])
    ]
    shown = h("details", h("summary", "All settings"), parts.rows(["", ""], lines, "Settings"))
    return Section("Settings", shown)


def _numbers(run: Path, rows: list[dict[str, Any]], total: float) -> dict[str, str]:
    found, made = checkpoint.read(run), images_made(run)
    searched = " (those that were only searched left out)" if found.get("max_rounds", 1) > 1 else ""
    peak = max((row.get("peak_mb") or 0.0 for row in rows), default=0.0)
    skipped = sum((row.get("skipped") or 0.0) >= 1 for row in rows)
    words = {
        "steps": f"{len(rows):,} of {found['steps']:,}",
        "time of the steps": duration(total),
        "candidates": f"{made:,}{searched}",
        "images of the base": f"{made:,}" if found.get("reference_weight", 1) else "",
        "verdicts of the ranker": f"{made:,}" if found["ranker"] else "",
        "candidates per second": f"{made / total:.3g}",
        "evaluations": f"{len(kept.evaluations(run)):,}",
        "steps without a preference": f"{skipped:,}",
        "peak memory": f"{peak / MIB:.3g} GiB" if peak else "",
    }
    return {name: each for name, each in words.items() if each}


def _bar(spent: Mapping[str, float]) -> str:
    """The phases side by side, each as long as its share."""
    total, at, drawn = sum(spent.values()), 0.0, []
    for number, (name, seconds) in enumerate(spent.items()):
        words = h("title", f"{name}: {parts.share(seconds / total)}")
        width = 300 * seconds / total
        drawn.append(
            h(
                "g",
                h("rect", words, x=at, y=0, width=max(0.0, width - 1), height=12),
                class_=f"curve c{number}",
            )
        )
        at += width
    label = ", ".join(f"{name} {parts.share(seconds / total)}" for name, seconds in spent.items())
    return h("svg", drawn, class_="meter", viewBox="0 0 300 12", preserveAspectRatio="none", role="img",
             aria_label=label)  # fmt: skip
