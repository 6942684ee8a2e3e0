"""Tables of plugins beside their references: of `benchmarks.parity`, `geneval_mmdet` and `judge verdicts`."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.tables.cells import Row, table


def verdicts(row: Row) -> str:
    lines = [
        (each["verdicts"], str(each["n"]), str(each["correct"]), f"{each['agreement']:.1%}")
        for each in row["rows"]
    ]
    met = all(each["agreement"] == 1 for each in row["rows"])
    head = ("verdicts on", "how many", "correct of them", "agreement")
    return table(head, lines) + f"\nTarget: 100 %; {'met' if met else 'missed'}.\n"


DETECTED = (("class", "their spread"), ("mask", "masks' spread"))

MMDETS = "mmdet's seconds"


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
    return table(head, lines) + note


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
    return table(head, lines) + (
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
    return table(("ranker", "default", "bfloat16: largest change (tau at least, mean)", "float16"), lines)


def wheels(rows: Sequence[Row]) -> str:
    """Of each interpreter the latest row, oldest interpreter first."""
    latest = {row["interpreter"].rpartition(".")[0]: row for row in rows}
    lines = [
        (
            row["interpreter"],
            f"{row['rankers']}, {row['cards']} with a card",
            str(len(row["scores"])),
            ", ".join(each.replace("==", " ") for each in row["versions"]),
            "none" if "error" not in row else row["error"].partition(":")[0],
        )
        for _, row in sorted(latest.items(), key=lambda item: int(item[0].partition(".")[2]))
    ]
    head = ("Python", "rankers found", "scored an image", "with", "error")
    return f"{table(head, lines)}\n`python -m benchmarks.wheels plugins` · {rows[-1]['date']}.\n"
