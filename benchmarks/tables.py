"""Write the tables of README.md from results/*.jsonl: `python -m benchmarks.tables`. The latest row of each
benchmark counts.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`; what is outside is written by hand. To add
one, write a function here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Row = dict[str, Any]


def startup(row: Row) -> str:
    seconds = row["seconds"]
    return _table(
        ("", "seconds, median", "min–max", "runs"),
        [
            (
                f"`{name}`" if name != "imports" else '`python -c "import typer, PIL.Image, numpy"`',
                *_cells(each),
            )
            for name, each in seconds.items()
        ],
    ) + _verdict(
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
        lines.append((how, *_cells(small)[:2], *_cells(large)[:2], f"{ratio['median']:.2f}×"))
    head = ("", "400 images, MiB", "min–max", "40 000 images, MiB", "min–max", "ratio")
    worst = max(ratio["median"] for ratio in row["ratio"].values())
    return _table(head, lines) + f"\nTarget: at most 1.2×; {'met' if worst <= 1.2 else 'missed'}.\n"


def resume(row: Row) -> str:
    names = {"first": "first run", "second": "second run, everything scored already"}
    lines = [(names[name], *_cells(each)) for name, each in row["seconds"].items()]
    return _table(("", "seconds, median", "min–max", "runs"), lines) + _verdict(
        row["ratio"], "at least 10×", row["ratio"]["median"] >= 10
    )


def kills(row: Row) -> str:
    names = ("runs", "kills that left a journal", "rows", "equal", "rows lost", "rows doubled")
    heads = (
        "runs killed",
        "of them with a journal left behind",
        "rows a run",
        "files equal in the end",
        "rows lost",
        "rows doubled",
    )
    met = row["equal"] == row["runs"] and not row["rows lost"] + row["rows doubled"]
    return (
        _table(heads, [tuple(str(row[name]) for name in names)])
        + f"\nTarget: all equal, none lost, none doubled; {'met' if met else 'missed'}.\n"
    )


def overhead(row: Row) -> str:
    lines = [
        (name, *_cells(each), _number(row["added ms"][name]["median"]) if name in row["added ms"] else "")
        for name, each in row["ms"].items()
    ]
    return _table(("", "milliseconds, median", "min–max", "runs", "added"), lines)


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
    return _table(head, lines) + f"\nMean of {row['trials']} groups ± standard error.\n"


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
        _table(
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
    return _table(("images", "calls", *(f"tokens, {name}" for name in names)), lines)


def cached(row: Row) -> str:
    lines = [
        (str(each["K"]), str(each["calls"]), _number(each["first"]), *_cells(each)) for each in row["rows"]
    ]
    return _table(("images", "calls", "seconds, first time", "again, median", "min–max", "runs"), lines)


def training(rows: Sequence[Row]) -> str:
    """Every run on the final prompts with the settings, and from the base, of the last one with the recipe's
    own ranker.
    """
    last = [row for row in rows if row["split"] == "final" and row["config"]["ranker"] == "shapes"][-1]
    alike = [row for row in rows if row["split"] == "final" and _setting(row) == _setting(last)]
    arms = {arm: [row for row in alike if row["arm"] == arm] for arm in ("reward", "random", "reversed")}
    lines = [(arm, *_arm(runs)) for arm, runs in arms.items() if runs]
    head = (
        "arm",
        "seeds",
        "right before",
        "right after",
        "95 % of the gain, by seed",
        "diversity / base",
        "CPU seconds",
    )
    tasks = [
        (
            task,
            f"{before['before']:.2f}",
            *(_after(runs, task) for runs in arms.values()),
            *_crowded(arms["reward"], task),
        )
        for task, before in last["tasks"].items()
    ]
    flawless = (
        f"A corpus without mistakes would have {last['diversity_flawless']:.2f} of the base's diversity.\n"
    )
    columns = ("task", "before", *arms, "crowded before", "after reward")
    tables = f"{_table(head, lines)}\n{flawless}\n{_table(columns, tasks)}\n{_step(arms['reward'][-1])}\n"
    others = [
        row
        for row in rows
        if row["split"] == "final" and row["config"]["ranker"] != "shapes" and row["before"] == last["before"]
    ]
    return tables + _others(others)


def _step(row: Row) -> str:
    phases = ", ".join(
        f"{name.removeprefix('s_')} {seconds:.2f}" for name, seconds in row["seconds_per_step"].items()
    )
    return (
        f"Seconds of one step (seed {row['seed']}, load {row['load']}): {phases}; peak "
        f"memory {row['peak_mb']} MiB.\n"
    )


def _others(rows: Sequence[Row]) -> str:
    """Runs by another ranker: what it thinks of held-out prompts' images itself."""
    scores = [(row["config"]["ranker"], str(row["seed"]), row["score"], row["diversity"]) for row in rows]
    lines = [
        (
            f"`{ranker}`",
            seed,
            f"{score['before']:,.1f}",
            f"{score['after']:,.1f}",
            "{:+,.1f} to {:+,.1f}".format(*score["gain_95"]),
            f"{kept:.2f}",
        )
        for ranker, seed, score, kept in scores
    ]
    head = ("another reward", "seed", "score before", "after", "95 % of the gain", "diversity / base")
    return f"{_table(head, lines)}" if lines else ""


def _setting(row: Row) -> Row:
    return {name: value for name, value in row["config"].items() if name != "seed"} | {
        "before": row["before"]
    }


def _arm(runs: Sequence[Row]) -> tuple[str, ...]:
    after, diversity = [row["after"] for row in runs], [row["diversity"] for row in runs]
    gains = ", ".join(f"{low:+.2f} to {high:+.2f}" for low, high in (row["gain_95"] for row in runs))
    seeds = ", ".join(str(row["seed"]) for row in runs)
    return (
        seeds,
        f"{runs[0]['before']:.3f}",
        _spread(after, 3),
        gains,
        _spread(diversity),
        _spread([row["cpu_seconds"] for row in runs], 0),
    )


def _after(runs: Sequence[Row], task: str) -> str:
    return _spread([row["tasks"][task]["after"] for row in runs]) if runs else ""


def _crowded(runs: Sequence[Row], task: str) -> tuple[str, str]:
    """The share of images with more objects than were asked for, before and after."""
    shares = [row["crowded"][task] for row in runs]
    return (f"{shares[0][0]:.2f}", _spread([after for _, after in shares])) if shares else ("", "")


def _spread(values: Sequence[float], digits: int = 2) -> str:
    """Mean (least to greatest)."""
    return f"{sum(values) / len(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def drift(row: Row) -> str:
    lines = [
        tuple(f"{each[name]:,}" for name in ("points", "inputs MiB", "peak MiB beyond", "seconds"))
        for each in row["rows"]
    ]
    met = row["rows"][-1]["peak MiB beyond"] <= 2048
    return _table(
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
    return _table(("ranker", "images a second in float32", "in bfloat16"), lines) + _cards(rows)


def _rate(each: Row | None) -> str:
    return f"{each['pictures per second']:.0f} ({each['least']:.0f}–{each['most']:.0f})" if each else ""


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
    return _table(head, lines) + _cards(rows)


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
    return _table(
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


def verdicts(row: Row) -> str:
    lines = [
        (each["verdicts"], str(each["n"]), str(each["correct"]), f"{each['agreement']:.1%}")
        for each in row["rows"]
    ]
    met = all(each["agreement"] == 1 for each in row["rows"])
    head = ("verdicts on", "how many", "correct of them", "agreement")
    return _table(head, lines) + f"\nTarget: 100 %; {'met' if met else 'missed'}.\n"


def detector(row: Row) -> str:
    lines = []
    for each in row["rows"]:
        logits = (
            f"{each[f'{what} logits differ by']:.0e} of {each[spread]:.2g}" for what, spread in DETECTED
        )
        alike = f"{each['of the same class and box']} of {each['detections']}"
        times = (f"{each['seconds']:.0f}", f"{each[MMDETS]:.0f}")
        lines.append(
            (
                each["size"],
                f"{each['pixels differ by']:g}",
                *logits,
                alike,
                f"{each['scores differ by']:.0e}",
                *times,
            )
        )
    head = (
        "image",
        "pixels",
        "class logits",
        "mask logits",
        "same class and box",
        "scores",
        "seconds",
        "mmdet’s",
    )
    note = (
        f"\nLargest differences; of logits beside their standard deviation. Peak memory of both models "
        f"together {row['peak MiB']:,} MiB.\n"
    )
    return _table(head, lines) + note


DETECTED = (("class", "their spread"), ("mask", "masks' spread"))
MMDETS = "mmdet's seconds"


def parity(row: Row) -> str:
    lines = []
    for name, found in row["golden"].items():
        for size, block in found.items():
            if "against_reference" not in block:
                continue
            against, package = block["against_reference"], " ".join(block.get("original", "").split()[:2])
            with_what = package or block["reference"].split(",")[0].rstrip(".")
            order = "the same" if against["kendall_min"] == 1 else f"tau {against['kendall_min']:.3f}"
            where = "published" if size == "full" else "tiny"
            lines.append(
                (
                    f"`{name}`",
                    with_what,
                    where,
                    f"{against['max']:.1e}",
                    f"{against['max_of_spread']:.1e}",
                    order,
                )
            )
    head = ("ranker", "compared with", "size", "largest difference", "in units of the spread", "order")
    worst = max(float(line[4]) for line in lines)
    return _table(head, lines) + (
        f"\nTarget: at most 1e-4 of the spread and the same order; {'met' if worst <= 1e-4 else 'missed'}.\n"
    )


def precision(row: Row) -> str:
    lines = []
    for name, found in row["golden"].items():
        halves = found["tiny"]["against_float32"].values()
        cells = [
            f"{100 * half['max_of_spread']:.2g} % (tau {half['kendall_min']:.3f}, {half['kendall_mean']:.3f})"
            for half in halves
        ]
        lines.append((f"`{name}`", found["tiny"]["default_dtype"], *cells))
    return _table(("ranker", "default", "bfloat16: largest change (tau at least, mean)", "float16"), lines)


TABLES: dict[str, Callable[[Row], str]] = {
    **{"startup": startup, "memory": memory, "resume": resume, "kills": kills, "overhead": overhead},
    **{"recall": recall, "equals": equals, "cost": cost, "cached": cached},
    **{"drift": drift, "verdicts": verdicts, "detector": detector},
    **{"parity": parity, "precision": precision},
}

GATHERED: dict[str, Callable[[Sequence[Row]], str]] = {  # of many rows, not of the latest
    **{"training": training, "gpu-score": gpu_score, "gpu-train": gpu_train, "gpu-drift": gpu_drift}
}


def render(text: str, rows: Iterable[Row]) -> str:
    """The text with every table written anew."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(_benchmark(row), []).append(row)

    def fill(match: re.Match[str]) -> str:
        name, own = match[2], found.get(match[2], [])
        if own and name in GATHERED:
            return f"{match[1]}\n\n{GATHERED[name](own)}\n<!-- end -->"
        if own and name in TABLES:
            return f"{match[1]}\n\n{TABLES[name](own[-1])}\n{_origin(own[-1])}\n\n<!-- end -->"
        return match[0]

    return re.sub(r"(<!-- table: ([\w-]+) -->).*?<!-- end -->", fill, text, flags=re.DOTALL)


def _benchmark(row: Row) -> str:
    """What a row is of; runs of a trainer with a ranker (without one: offline) do not say it."""
    return row.get("benchmark") or ("training" if "arm" in row and row["config"]["ranker"] else "")


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, ["---"] * len(head), *lines))


def _cells(spread: Row) -> tuple[str, str, str]:
    return _number(spread["median"]), f"{_number(spread['min'])}–{_number(spread['max'])}", str(spread["n"])


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _verdict(ratio: Row, target: str, met: bool, more: str = "") -> str:
    spread = f"{more}pairs measured side by side: {ratio['min']:.1f}–{ratio['max']:.1f}"
    return (
        f"\nRatio of medians {ratio['median']:.2f}× ({spread}). "
        f"Target: {target}; {'met' if met else 'missed'}.\n"
    )


def _origin(row: Row) -> str:
    if "golden" in row:
        return (
            "`python -m benchmarks.parity`, with `--full` for the published sizes; versions and scores "
            "are in golden.json."
        )
    machine = row["machine"]
    versions = ", ".join(f"{name} {machine[name]}" for name in ("numpy", "Pillow", "typer"))
    busy = f"load {machine['load before']} before, {machine['load after']} after"
    return (
        f"`{row['command']}` · {row['date']} · {machine['cores']} cores, {machine['GiB']} "
        f"GiB, {machine['system']}, "
        f"Python {machine['python']}, {versions}; {busy}."
    )


def main() -> None:
    """Write README.md anew."""
    rows = [
        json.loads(line)
        for path in sorted((HERE / "results").glob("*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]
    golden = {
        path.parent.name: json.loads(path.read_text("utf-8"))
        for path in sorted(HERE.parent.glob("plugins/*/golden.json"))
    }
    rows += [{"benchmark": name, "golden": golden} for name in ("parity", "precision")]
    readme = HERE / "README.md"
    readme.write_text(render(readme.read_text("utf-8"), rows), "utf-8")


if __name__ == "__main__":
    main()
