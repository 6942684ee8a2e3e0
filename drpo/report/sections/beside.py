"""Where a run stands among other methods, from rows of earlier runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from drpo.report.kept import Comparison
from drpo.report.sections import parts
from drpo.run import checkpoint
from drpo.run.files import read_rows
from rankkit.plugin import Section, h

KNOWN = "known.jsonl"  # of the built-in world, in the package drpo.shapes
PROMPTS, RANKER = "shapes-final", "shapes:mode=strict"
COMMAND = f"drpo evaluate RUN --prompts {PROMPTS} -r {RANKER}"

Row = Mapping[str, Any]


def beside(run: Path, found: Comparison | None, other: Path | None) -> Section | None:
    """Methods and the share of right images that they reach, this run at its place.

    `other` is a file of rows (``method`` or ``arm``, ``seed``, ``before``, ``after``); without one, those
    that come with the built-in world, for runs in it.
    """
    rows = [row for row in (read_rows(other) if other else known(run)) if _counts(row)]
    if not rows:
        return None
    base = float(rows[-1]["before"])
    lines = [*_methods(rows), (base, ["the base", "", parts.figure(base), ""])]
    own = _own(found)
    if own is not None:
        lines.append((own, ["this run", "1", parts.figure(own), ""]))
    head = ["", "seeds", "right", "least to greatest"]
    ordered = [line for _, line in sorted(lines, key=lambda line: -line[0])]
    shown = parts.rows(head, ordered, "Among other methods")
    return Section("Among other methods", h("div", parts.note(_words(own, other)), shown))


def known(run: Path) -> list[dict[str, Any]]:
    """The rows of other methods that come with the built-in world; none for a run elsewhere."""
    path = files("drpo.shapes").joinpath(KNOWN)
    settings = checkpoint.read(run)
    if settings["generator"] != "shapes" or not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _counts(row: Row) -> bool:
    """Whether a row is a whole run's, measured on the prompts that nobody trained or tuned on."""
    whole = not row.get("quick") and row.get("split", "final") == "final"
    return whole and bool(row.get("method") or row.get("arm")) and row.get("after") is not None


def _methods(rows: Sequence[Row]) -> list[tuple[float, list[str]]]:
    """Per method and settings the mean over seeds; a run that diverged counts with what it showed."""
    found: dict[str, list[float]] = {}
    for row in rows:
        knobs = [str(each).removeprefix("knob=") for each in row.get("settings", [])]
        name = " ".join([str(row.get("method") or row.get("arm")), *knobs])
        found.setdefault(name, []).append(float(row["after"]))
    return [
        (mean := sum(after) / len(after),
         [name, f"{len(after)}", parts.figure(mean), f"{min(after):.3f} to {max(after):.3f}"])
        for name, after in found.items()
    ]  # fmt: skip


def _own(found: Comparison | None) -> float | None:
    """The share of this run's images that are right, where it was measured on the same prompts."""
    if found is None or found.prompts != PROMPTS:
        return None
    return next((one.after for one in found.comparisons if one.ranker == RANKER), None)


def _words(own: float | None, other: Path | None) -> str:
    source = f"From {other.name}" if other else "Runs of the built-in world that come with drpo"
    words = f"{source}: the share of images that {RANKER} passes on the prompts {PROMPTS}; not run now."
    if own is None:
        return f"{words} To put this run among them: {COMMAND}."
    return f"{words} This run’s share is of the noises that it was evaluated with."
