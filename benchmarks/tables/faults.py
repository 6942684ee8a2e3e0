"""Tables of `benchmarks.faults` and `benchmarks.fuzz`: what was killed, fuzzed and flooded."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.tables.cells import Row, cells, table

KILLED = {
    "scorer": "`rankkit score`",
    "workers": "a process of `--workers 2`",
    "forks": "a process of `--workers 2` for rankkit's own rankers",
    "pipe": "the worker of a ranker in another environment",
    "server": "`rankkit serve`, started again at once",
    "ray": "a worker of `--engine ray`",
    "trainer": "`drpo train`",
    "label": "`rankkit label`, while it is answered",
}


def killed(rows: Sequence[Row]) -> str:
    latest = {row["what"]: row for row in rows}
    lines = [
        (
            words,
            *(str(latest[what][name]) for name in ("kills", "runs")),
            str(latest[what].get("went on by themselves", "")),
            str(latest[what]["equal"]),
        )
        for what, words in KILLED.items()
        if what in latest
    ]
    met = len(lines) == len(KILLED)
    met &= all(row["equal"] == row["runs"] and row["kills"] >= 50 for row in latest.values())
    head = (
        "killed with SIGKILL",
        "kills",
        "runs",
        "went on by themselves",
        "ended as if nothing had happened",
    )
    return (
        table(head, lines)
        + f"\nTarget: 50 kills each, and every run ends equal; {'met' if met else 'missed'}. "
        f"`python -m benchmarks.faults kills` · {_when(rows)}.\n"
    )


def fuzz(rows: Sequence[Row]) -> str:
    latest = {row["target"]: row for row in rows}
    lines = [
        (
            target,
            f"{row['inputs']:,}",
            f"{row['seconds']:.0f}",
            str(row["kinds of outcome"]),
            f"{row['MiB more at most']:.0f}",
            str(len(row["findings"])),
        )
        for target, row in latest.items()
    ]
    total = sum(row["inputs"] for row in latest.values())
    found = sum(len(row["findings"]) for row in latest.values())
    head = ("reader", "inputs", "seconds", "kinds of outcome", "MiB more at most", "findings")
    return (
        table(head, lines) + f"\n{total:,} inputs in all. Target: a million without a finding; "
        f"{'met' if total >= 1_000_000 and not found else 'missed'}. "
        f"`python -m benchmarks.fuzz` · {_when(rows)}.\n"
    )


def flood(row: Row) -> str:
    names = {"quiet": "the flood goes elsewhere", "flooded": "it comes to this server"}
    rates, share = row["good requests a second"], row["share"]
    answers = ", ".join(f"{count} × {status}" for status, count in row["answers to them"].items())
    return (
        table(
            ("", "good requests a second, median", "min–max", "rounds"),
            [(words, *cells(rates[name])) for name, words in names.items()],
        )
        + f"\n{row['bad requests']:,} bad requests: {answers}. Share of the rate that is left, of "
        f"pairs side by side: {share['median']:.2f} ({share['min']:.2f}–{share['max']:.2f}). "
        f"Target: at least 0.9; "
        f"{'met' if share['median'] >= 0.9 else 'missed'}.\n"
    )


def _when(rows: Sequence[Row]) -> str:
    row, machine = rows[-1], rows[-1]["machine"]
    return (
        f"{row['date']} · {machine['cores']} cores shared with other jobs (load {machine['load before']}), "
        f"{machine['system']}, Python {machine['python']}"
    )
