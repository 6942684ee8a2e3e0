"""The table of `benchmarks.throughput`: `rankkit score` beside what does no more than is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.tables.cells import Row, number, table

BENCHMARKS = ("cheap", "throughput", "together", "loop")  # whose rows are in this table
HEAD = ("work", "rankkit, seconds", "beside it, seconds", "", "aim", "day, load before")
CHEAP = {  # of a kind of image: what is done, and the aim
    "png": ("`sharpness`, {images:,} PNGs of 64 pixels; a pool of processes", 1.5),
    "jpeg": ("`sharpness`, {images:,} JPEGs of 512 pixels; a pool of processes", 1.1),
}
MODELS = {
    "tiny": "`clip` of next to no size, {images} JPEGs; its bare forward",
    "base": "`clip` of ViT-B/32's size, {images} JPEGs; its bare forward",
    "large": "`clip` of ViT-L/14's size, {images} JPEGs; its bare forward",
    "elsewhere": "a model that waits as long and uses no core, {images} JPEGs; its bare forward",
}


def speed(rows: Sequence[Row]) -> str:
    """A line for the latest measurement of each work."""
    latest = {(row["benchmark"], row.get("work", row.get("model"))): row for row in rows}
    return table(HEAD, [line for row in latest.values() for line in _lines(row)])


def _lines(row: Row) -> Iterator[tuple[str, ...]]:
    day = f"{row['date']}, {row['machine']['load before']}"
    if row["benchmark"] == "cheap":
        name, most = CHEAP[row["work"]]
        ours, other, ratio = row["seconds"]["rankkit"], row["seconds"]["pool"], row["times the pool"]
        yield _line(name.format(**row), ours, other, _times(ratio), _judged(ratio, most), day)
    elif row["benchmark"] == "throughput":
        ratio = row["times the bare forward"]["two stages"]
        ours, other = row["seconds"]["two stages"], row["seconds"]["bare forward"]
        aim = "" if row["model"] == "tiny" else _judged(ratio, 1.1)
        yield _line(MODELS[row["model"]].format(**row), ours, other, _times(ratio), aim, day)
    elif row["benchmark"] == "together":
        for own, aim in (("same", _judged(row["same"]["share"], 0.5)), ("own", "")):
            found = row[own]
            checkpoints = "one checkpoint" if own == "same" else "pickscore's own checkpoint"
            name = f"`clip`, `pickscore` and `aesthetic` at once, {checkpoints}; the three, added"
            ours, other = found["seconds"]["together"], found["seconds"]["alone, added"]
            yield _line(name, ours, other, _times(found["share"]), aim, day)
    else:
        yield _loop(row, day)


def _loop(row: Row, day: str) -> tuple[str, ...]:
    """A package's own loop: in seconds of the CPU where the row has them, by which the aim is judged then."""
    name = f"`{row['model']}`, {row['images']} images, 4 to a prompt; the package's own loop"
    seconds, faster, clock = row["seconds"], row["times as fast"], ""
    if "CPU seconds" in row:
        name, clock = f"{name}, CPU seconds", f" (by the clock {faster:.2f}×)"
        seconds, faster = row["CPU seconds"], row["times as fast, CPU"]
    least = 1.5 if row["model"].startswith("hpsv2") else 1.2
    aim = f"{least:.1f}× as fast, {'met' if faster >= least else 'missed'}"
    return _line(name, seconds["rankkit"], seconds["loop"], f"{faster:.2f}× as fast{clock}", aim, day)


def _line(name: str, ours: Row, other: Row, ratio: str, aim: str, day: str) -> tuple[str, ...]:
    return name, _spread(ours), _spread(other), ratio, aim, day


def _spread(seconds: Row) -> str:
    return f"{number(seconds['median'])} ({number(seconds['min'])}–{number(seconds['max'])})"


def _times(ratio: float) -> str:
    return f"{ratio:.2f}× the time"


def _judged(ratio: float, most: float) -> str:
    return f"{most:.2g}×, {'met' if ratio <= most else 'missed'}"
