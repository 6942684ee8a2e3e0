"""The table of `benchmarks.taste`."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.tables.cells import Row, spread, table

LABELS = {
    "answers": "200 answers, fitted",
    "hidden": "the hidden taste itself",
    "chance": "200 coins, fitted",
}


def taste(rows: Sequence[Row]) -> str:
    """Each arm over its seeds."""
    last = latest(rows)
    before = spread([row["before"] for row in last], 3)
    words = [f"Before: {before} of 2, on 48 held-out prompts with 10 noises each; {last[0]['steps']} steps."]
    for arm in ("answers", "chance"):
        if right := [row["fitted"]["accuracy"] for row in last if row["arm"] == arm]:
            words.append(
                f"{LABELS[arm].capitalize()}: the hidden taste's order in {spread(right)} of all pairs."
            )
    head, lines = cells(last)
    return f"{table(head, lines)}\n{' '.join(words)}\n"


def latest(rows: Sequence[Row]) -> list[Row]:
    """Of each arm and seed the latest row with as many steps as the last one."""
    alike = {(row["arm"], row["seed"]): row for row in rows if row["steps"] == rows[-1]["steps"]}
    return list(alike.values())


def cells(rows: Sequence[Row]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The head and the lines of the table."""
    head = (
        "trained by", "seeds", "hidden taste after", "95 % of the gain, by seed", "preferred to before",
        "right for their prompt, before", "after", "diversity / base",
    )  # fmt: skip
    lines: list[tuple[str, ...]] = []
    for arm, label in LABELS.items():
        found = sorted((row for row in rows if row["arm"] == arm), key=lambda row: row["seed"])
        if found:
            lines.append((
                label,
                ", ".join(str(row["seed"]) for row in found),
                spread([row["after"] for row in found], 3),
                ", ".join(f"{low:+.2f} to {high:+.2f}" for low, high in (row["gain_95"] for row in found)),
                spread([row["wins"] for row in found]),
                f"{found[0]['right'][0]:.2f}",
                spread([row["right"][1] for row in found]),
                spread([row["diversity"] for row in found]),
            ))  # fmt: skip
    return head, lines
