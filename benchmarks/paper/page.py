"""Rows to docs/paper.md: every table beside the paper's numbers, with intervals over seeds and verdicts."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.hacking import page as hacking
from benchmarks.improve import page as improve
from benchmarks.improve import plan as improvements
from benchmarks.paper import gathered
from benchmarks.paper import rows as kept
from benchmarks.paper.claims import Gains, Judged, gained, interval, judged
from benchmarks.paper.night import run_of
from benchmarks.paper.plan import (
    QUICK_PROMPTS,
    QUICK_STEPS,
    STEPS,
    TUNING_STEPS,
    Arm,
    Claim,
    Table,
    seeds_of,
    tables,
)
from benchmarks.paper.rows import Row
from benchmarks.tables.cells import table as lines_of

DOCS = Path(__file__).parents[2] / "docs"
Found = dict[Arm, dict[int, Row]]
"""Rows of a table's arms by seed."""

HEAD = """# The paper's claims, beside its baselines

Written by `python -m benchmarks.paper tables` from `benchmarks/results/paper.jsonl`; every row there names
its command. To go on with what is missing: `python -m benchmarks.paper run`; what that is: `python -m
benchmarks.paper list`.

The paper (arXiv 2606.02521) finetunes SD-Turbo and SDXL-Turbo with rewards of the size of language models.
This is the built-in world: a generator of 32 × 32 images, about half of which contradict their prompt, and
a detector that sees it. Numbers of the two are not comparable; their order is. A verdict is about the
miniature alone. Figures are the share of images that the detector passes (GenEval's rule) on 48 prompts
that nobody trained on, with 10 fixed noises each; ± is half of a 95 % interval over seeds (Student's t),
differences are between runs of the same seed. **holds**: the whole interval is on the claimed side; **does
not**: it is on the other; **cannot tell**: it is on both, or there is one seed. "About as good" means
within .03, "next to no" loss at most .03.

Every method trains on the same prompts and noises, a LoRA of the same rank, the same optimizer and {images}
images in {steps} steps of {prompts} prompts. Each baseline had three tries of {tries} steps (learning rate
and one setting of its own, with seed 901 on the tuning prompts), and the try that was right most often is the
one shown; DrPO runs as published (`benchmarks/paper/published.py`), at rates that were found earlier, with
more tries and other seeds (`benchmarks/LOG.md`). What the recipe `shapes` does since stands under "Better
than the paper?".
"""


def write(rows: Sequence[Row], folder: Path = DOCS, known: Path | None = None) -> list[Path]:
    """Write the page and its figures, and into `known` what a run's report puts beside it; their paths."""
    parts = [HEAD.format(images=f"{STEPS * 4 * 32:,}", steps=STEPS, prompts=4, tries=TUNING_STEPS)]
    for table in tables().values():
        found, quick = best_rows(table, rows)
        parts.append(section(table, found, quick))
        if table.name == "main":
            parts += [
                gathered.proxy(found),
                gathered.tuning(rows),
                gathered.curves(found),
                gathered.cost(found),
            ]
    changes = [*rows, *kept.read(improvements.FILE)]
    parts += [improve.section(changes), hacking.section(kept.read(hacking.FILE))]
    paths = [folder / "paper.md"]
    main = best_rows(tables()["main"], rows)[0]
    if figure := gathered.figure(main):
        paths.append(folder / "paper-curves.svg")
        paths[1].write_text(figure, "utf-8")
    if drawn := improve.figure(changes):
        paths.append(folder / improve.FIGURE)
        paths[-1].write_text(drawn, "utf-8")
    paths[0].write_text("\n".join(part for part in parts if part), "utf-8")
    if known is not None and (lines := gathered.known(_rows_of(tables()["main"], rows, quick=False))):
        known.write_text(lines, "utf-8")
        paths.append(known)
    return paths


def best_rows(table: Table, rows: Sequence[Row]) -> tuple[Found, bool]:
    """Rows of the table's arms: full ones, unless there are short ones of more arms; and whether short."""
    full, short = (_rows_of(table, rows, quick) for quick in (False, True))
    quick = sum(map(bool, short.values())) > sum(map(bool, full.values()))
    return (short if quick else full), quick


def _rows_of(table: Table, rows: Sequence[Row], quick: bool) -> Found:
    found: Found = {arm: {} for arm in table.arms}
    for arm in table.arms:
        for seed in seeds_of(quick):
            run = run_of(arm, seed, rows, quick=quick)
            if run and (row := kept.find(rows, run)):
                found[arm][seed] = row
    return found


def section(table: Table, found: Found, quick: bool) -> str:
    """One table of the page, with what it lacks and the verdicts."""
    there = {arm: runs for arm, runs in found.items() if runs}
    lacking = [arm.title for arm in table.arms if arm not in there]
    parts = [f"## {table.title}\n"]
    if quick:
        parts.append(
            f"**Short runs**: {QUICK_STEPS} steps of {QUICK_PROMPTS} prompts, one seed, baselines untuned.\n"
        )
    if there:
        parts.append(gathered.tasks(there) if table.name == "tasks" else _arms(table, there))
    if lacking:
        parts.append(f"No rows yet: {'; '.join(lacking)} (`python -m benchmarks.paper run {table.name}`).\n")
    if table.note:
        parts.append(table.note + "\n")
    parts.append("".join(_claim(claim, there) for claim in table.claims))
    return "\n".join(part for part in parts if part)


def _arms(table: Table, there: Found) -> str:
    first = next(row for runs in there.values() for row in runs.values())
    lines: list[tuple[str, ...]] = [
        ("base", "", f"{first['before']:.3f}", "", "", "1.00", table.paper.get("base", ""))
    ]
    lines += [_arm(arm, list(runs.values()), table.paper.get(arm.title, "")) for arm, runs in there.items()]
    head = ("", "seeds", "right", "by seed", "graded reward", "diversity / base", f"paper: {table.head}")
    return lines_of(head, lines)


def _arm(arm: Arm, runs: Sequence[Row], paper: str) -> tuple[str, ...]:
    ends = [row for row in runs if row.get("after") is not None]
    stopped = [row["diverged"] for row in runs if row.get("diverged")]
    said = f"{arm.title}: diverged in {len(stopped)} of {len(runs)} ({stopped[0]})" if stopped else arm.title
    if not ends:
        return said, str(len(runs)), "", "", "", "", paper
    return (
        said,
        str(len(runs)),
        with_interval([row["after"] for row in ends]),
        " ".join(f"{row['after']:.3f}" for row in ends),
        f"{statistics.fmean(row['score']['after'] for row in ends):.3f}",
        with_interval([row["diversity"] for row in ends], 2),
        paper,
    )


def with_interval(values: Sequence[float], digits: int = 3) -> str:
    """The mean, ± half of its interval over seeds where there are several."""
    mean = f"{statistics.fmean(values):.{digits}f}"
    if len(values) < 2:
        return mean
    low, high = interval(values)
    return f"{mean} ± {(high - low) / 2:.{digits}f}"


def _claim(claim: Claim, there: Found) -> str:
    gains: Gains = {
        arm.title: {seed: gained(row, claim.measure) for seed, row in runs.items()}
        for arm, runs in there.items()
    }  # fmt: skip
    found = judged(claim, gains)
    return f"- {claim.words}: {_verdict(claim, found)}\n"


def _verdict(claim: Claim, found: Judged | None) -> str:
    if found is None:
        return "no rows yet."
    named = f" against {found.against}" if len(claim.right) > 1 else ""
    if found.seeds < 2:
        return f"**cannot tell** from one seed (difference{named} {found.difference:+.3f})."
    low, high = found.interval
    bounds = f"{low:+.3f} to {high:+.3f}, {found.seeds} seeds"
    return f"**{found.verdict}** (difference{named} {found.difference:+.3f}; {bounds})."
