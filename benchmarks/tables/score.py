"""Tables of `benchmarks.score` and `benchmarks.overhead`."""

from __future__ import annotations

from benchmarks.tables.cells import Row, cells, number, table, verdict


def startup(row: Row) -> str:
    seconds = row["seconds"]
    return table(
        ("", "seconds, median", "min–max", "runs"),
        [
            (
                f"`{name}`" if name != "imports" else '`python -c "import typer, PIL.Image, numpy"`',
                *cells(each),
            )
            for name, each in seconds.items()
        ],
    ) + verdict(
        row["ratio"],
        "at most 2×",
        row["ratio"]["median"] <= 2,
        f"of CPU time {row['CPU ratio']['median']:.2f}×; ",
    )


def memory(row: Row) -> str:
    lines = []
    for how, found in row["MiB"].items():
        ratio = row["ratio"][how]
        small, large = found["400"], found["40000"]
        lines.append((how, *cells(small)[:2], *cells(large)[:2], f"{ratio['median']:.2f}×"))
    head = ("", "400 images, MiB", "min–max", "40 000 images, MiB", "min–max", "ratio")
    worst = max(ratio["median"] for ratio in row["ratio"].values())
    return table(head, lines) + f"\nTarget: at most 1.2×; {'met' if worst <= 1.2 else 'missed'}.\n"


def resume(row: Row) -> str:
    names = {"first": "first run", "second": "second run, everything scored already"}
    lines = [(names[name], *cells(each)) for name, each in row["seconds"].items()]
    return table(("", "seconds, median", "min–max", "runs"), lines) + verdict(
        row["ratio"], "at least 10×", row["ratio"]["median"] >= 10
    )


def overhead(row: Row) -> str:
    lines = [
        (name, *cells(each), number(row["added ms"][name]["median"]) if name in row["added ms"] else "")
        for name, each in row["ms"].items()
    ]
    return table(("", "milliseconds, median", "min–max", "runs", "added"), lines)
