"""The table of `benchmarks.label`."""

from __future__ import annotations

from benchmarks.tables.cells import Row, table


def label(row: Row) -> str:
    ways = {"random": "random pairs", "label": "`rankkit label`"}
    found = row["found by answers"]
    counts = list(found["random"])
    lines = [
        (words, *(f"{found[way][count]['mean']:.2f} ± {found[way][count]['±']:.2f}" for count in counts))
        for way, words in ways.items()
    ]
    share, settled = row["share"], row["settled"]
    return (
        table((f"of the true top {row['top']}, after so many answers", *counts), lines)
        + f"\nMean of {row['people']} people with a 95 % interval. What {row['random']['answers']} random "
        f"pairs find is found after {row['label']['answers']} answers: {share['mean']:.2f} of them "
        f"({share['low']:.2f}–{share['high']:.2f}). Target: at most half; "
        f"{'met' if share['high'] <= 0.5 else 'missed'}. The page says that one can stop after "
        f"{settled['answers']:.0f} answers (median), when {settled['found']:.2f} are found.\n"
    )
