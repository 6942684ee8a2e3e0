"""Tables of `benchmarks.judge` but its verdicts."""

from __future__ import annotations

from benchmarks.tables.cells import Row, cells, number, table


def recall(row: Row) -> str:
    found: dict[tuple[str, int], dict[str, Row]] = {}
    for each in row["rows"]:
        found.setdefault((each["design"], each["K"]), {})[each["judge"]] = each
    lines = [
        (
            design.replace("seats", "orders"),  # as earlier rows call them
            str(size),
            str(judges["strong"]["calls"]),
            *(cell for name in ("strong", "realistic") for cell in _measured(judges[name])),
        )
        for (design, size), judges in sorted(found.items(), key=lambda item: item[0][1])
    ]
    head = ("pairs", "images", "calls", "80 % judge", "expected", "66 % judge", "expected")
    return table(head, lines) + f"\nMean of {row['trials']} groups ± standard error.\n"


def _measured(row: Row) -> tuple[str, str]:
    return f"{row['recall']:.3f} ± {row['stderr']:.3f}", f"{row['expected']:.3f}"


def equals(row: Row) -> str:
    lines = []
    for each in row["rows"]:
        rates = [
            f"{min(each[name]):.3f}–{max(each[name]):.3f}" for name in ("win rates", "first shown first")
        ]
        lines.append((f"{each['bias']:g}", each["answers"], *rates))
    verdict = (
        f"\nTarget: all within 3 points of one "
        f"half; {'met' if row['within 3 points'] else 'missed'}. {row['trials']} groups.\n"
    )
    return (
        table(
            ("position bias, logits", "answers", "both orders", "the first always shown first"),
            lines,
        )
        + verdict
    )


def cost(row: Row) -> str:
    names = list(row["rows"][0]["tokens"])
    lines = [
        (str(each["K"]), str(each["calls"]), *(f"{each['tokens'][name]:,}" for name in names))
        for each in row["rows"]
    ]
    return table(("images", "calls", *(f"tokens, {name}" for name in names)), lines)


def cached(row: Row) -> str:
    lines = [
        (str(each["K"]), str(each["calls"]), number(each["first"]), *cells(each)) for each in row["rows"]
    ]
    return table(("images", "calls", "seconds, first time", "again, median", "min–max", "runs"), lines)
