"""Tables of `benchmarks.drift_memory` and `benchmarks.gpu`."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.tables.cells import Row, table


def drift(row: Row) -> str:
    lines = [
        tuple(f"{each[name]:,}" for name in ("points", "inputs MiB", "peak MiB beyond", "seconds"))
        for each in row["rows"]
    ]
    met = row["rows"][-1]["peak MiB beyond"] <= 2048
    return table(
        ("generated points", "inputs, MiB", "peak beyond them, MiB", "seconds, one thread"), lines
    ) + (
        f"\nTarget: at most 2048 MiB beyond the inputs at {row['rows'][-1]['points']:,} "
        f"points; {'met' if met else 'missed'}.\n"
    )


def gpu_score(rows: Sequence[Row]) -> str:
    latest = {(each["ranker"], each["dtype"]): each for row in rows for each in row["rows"]}
    names = list(dict.fromkeys(name for name, _ in latest))
    lines = [
        (f"`{name}`", *(_rate(latest.get((name, dtype))) for dtype in ("float32", "bfloat16")))
        for name in names
    ]
    return table(("ranker", "images a second in float32", "in bfloat16"), lines) + _cards(rows)


def _rate(each: Row | None) -> str:
    return f"{each['pictures per second']:.0f} ({each['least']:.0f}–{each['most']:.0f})" if each else ""


def gpu_headline(rows: Sequence[Row]) -> str:
    lines = [
        (
            each["arm"],
            f"{each['seconds']:.2f} ({each['least']:.2f}–{each['most']:.2f})" if "seconds" in each else "",
            f"{each['times drpo']:.2f}×" if "times drpo" in each else each.get("error", ""),
            f"{each['peak MiB'] / 1024:.0f}" if "peak MiB" in each else "",
        )
        for each in rows[-1]["rows"]
    ]
    return table(("one update of 24 candidates", "seconds", "times DrPO's", "peak, GiB"), lines) + _cards(
        rows[-1:]
    )


def gpu_train(rows: Sequence[Row]) -> str:
    latest = {each["recipe"]: each for row in rows for each in row["rows"]}
    lines = [
        (
            f"`{name}`",
            each["features"],
            each["ranker"],
            str(each["candidates"]),
            f"{each['seconds per prompt']:.2f}",
            ", ".join(f"{phase} {seconds:.2f}" for phase, seconds in each["phases"].items()),
            f"{each['peak MiB'] / 1024:.0f}",
        )
        for name, each in latest.items()
    ]
    head = ("recipe", "features", "ranker", "candidates", "seconds a prompt", "of them", "peak, GiB")
    return table(head, lines) + _cards(rows)


def gpu_drift(rows: Sequence[Row]) -> str:
    latest = {(each["field"], each["points"]): each for row in rows for each in row["rows"]}
    lines = [
        (
            field,
            f"{points:,}",
            f"{each['ms']:.0f} ({each['least']:.0f}–{each['most']:.0f})",
            str(each["peak MiB beyond"]),
        )
        for (field, points), each in latest.items()
    ]
    return table(
        ("field", "generated points", "milliseconds", "peak beyond the inputs, MiB"), lines
    ) + _cards(rows)


def _cards(rows: Sequence[Row]) -> str:
    """Where each row was measured, and what is to be known of it."""
    said = (
        f"{row['gpu']}, torch {row['torch']}; "
        f"`{row['command']}`, {row['date']}. {row.get('note', '')}".strip()
        for row in rows
    )
    return "".join(f"\n{line}\n" for line in dict.fromkeys(said))
