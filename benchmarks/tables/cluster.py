"""Tables of `benchmarks.score ray`, `ray-memory` and `benchmarks.serving`."""

from __future__ import annotations

from benchmarks.tables.cells import Row, cells, number, table, verdict


def ray(row: Row) -> str:
    lines = [(name, *cells(each)) for name, each in row["seconds"].items()]
    two, net = row["two workers"], row["two workers, without start"]
    more = f"without the time that Ray takes for one image {net['median']:.2f}×; "
    return table(("", "seconds, median", "min–max", "runs"), lines) + verdict(
        two, "one worker takes at least 1.7 times what two take", two["median"] >= 1.7, more
    )


def ray_pools(row: Row) -> str:
    lines = [(name, *cells(each)) for name, each in row["seconds"].items()]
    gain = row["one after the other"]
    equal = "those" if row["rows as of a local run"] else "**not** those"
    return table(("", "seconds, median", "min–max", "runs"), lines) + (
        f"\nOne after the other takes {gain['median']:.2f} times as long as both at once ({gain['min']:.2f}–"
        f"{gain['max']:.2f}). The rows are {equal} of a run without Ray.\n"
    )


def ray_memory(row: Row) -> str:
    lines = [
        (f"{int(count):,}", number(peak), number(row["seconds"][count])) for count, peak in row["MiB"].items()
    ]
    head = ("images", "leading program at most, MiB", "seconds")
    return table(head, lines) + f"\n{row['ratio']:.2f} times from the least to the most.\n"


def serving(row: Row) -> str:
    lines = [
        (f"`{ranker}`", way, *cells(each["images a second"])[:2],
         number(each["ms of a request"]["median"]), number(each["images of a call"]["median"]))
        for ranker, ways in row["rankers"].items()
        for way, each in ways.items()
    ]  # fmt: skip
    return table(("ranker", "clients", "images a second", "min–max", "ms a request", "images a call"), lines)
