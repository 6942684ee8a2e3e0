"""What golden.json holds, as sentences in a plugin's card.toml and README.md;
`benchmarks.parity` writes them, a test compares them.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

from rankkit_torch import golden

EARLY = "made RGB before resizing"
WHY = {
    "turned": ("EXIF orientation "
        "applied"), "grey16": "scaled to 8 bits", "rgba": "alpha dropped", "la": "alpha dropped",
    "palette-clear": "alpha dropped", "palette": EARLY, "bits": EARLY, "cmyk": EARLY,
}  # fmt: skip


def sentences(found: dict[str, Any], case: ModuleType) -> dict[str, str]:
    """`parity`, `precision` and `files`, as far as the blocks for them are there."""
    made = {"parity": _parity(found, case)}
    if "tiny" in found:
        made["precision"] = _precision(found["tiny"])
    if "files" in found:
        size = found["files"]["size"]
        by = "at full size" if size == "full" else "by a tiny model"
        made["files"] = f"{by}, {_files(found['files']['rows'], found[size]['spread'])}"
    return made


def write(folder: Path, found: dict[str, Any], case: ModuleType) -> None:
    """Put the sentences of a plugin into its cards, in place of those that stand there."""
    (card,) = folder.glob("rankkit_*/card.toml")
    for name, sentence in sentences(found, case).items():
        _replace(card, rf'^{name} = ".*"$', f'{name} = "{sentence}"')
        _replace(folder / "README.md", rf"^\| {name} \|.*\|$", f"| {name} | {sentence} |")


def _replace(path: Path, pattern: str, line: str) -> None:
    text = path.read_text("utf-8")
    path.write_text(re.sub(pattern, lambda _: line, text, count=1, flags=re.M), "utf-8")


def _parity(found: dict[str, Any], case: ModuleType) -> str:
    against = []
    for size, words in (("full", " at full size"), ("original_tiny", " on a tiny model")):
        if size in found:
            package, version = found[size]["original"].split()[:2]
            against.append(f"{package} {version}{words} to {_of_spread(found[size]['against_reference'])}")
    if "tiny" in found:
        against.append(
            f"{case.REFERENCE} on a tiny model to {_of_spread(found['tiny']['against_reference'])}"
        )
    return (
        f"equal to {', to '.join(against)}, of the spread of the scores; same order; weights drawn by "
        f"name (golden.json)"
    )


def _precision(block: dict[str, Any]) -> str:
    lost = {
        dtype: f"{dtype} moves scores by at most {_percent(each['max_of_spread'])} of their spread "
        f"(Kendall's tau at least {each['kendall_min']:.3f}, mean {each['kendall_mean']:.3f})"
        for dtype, each in block["against_float32"].items()
    }
    return (
        f"default {block['default_dtype']}. Against float32, on a tiny model with drawn "
        f"weights: {', '.join(lost.values())}"
    )


def _files(rows: dict[str, dict[str, Any]], spread: float) -> str:
    groups: dict[str, list[str]] = {}
    for file, row in rows.items():
        verdict, name = golden.verdict(row, spread), file.split(".")[0]
        apart = f", {_percent(abs(row['file'] - row['ours']) / spread)}" if verdict == golden.RGB else ""
        why = f" ({WHY[name]}{apart})" if verdict in (golden.RGB, golden.FAILS) else ""
        groups.setdefault(verdict, []).append(name + why)
    words = {
        golden.SAME: ("scored as the reference "
            "does"), golden.FAILS: "it fails, and ours is its score of the RGB image",
        golden.RGB: ("as it scores the RGB image, not the file (how far from that, in % of the "
            "spread)"), golden.BOTH: "both refuse",
    }  # fmt: skip
    return "; ".join(
        f"{words[verdict]}: {', '.join(groups[verdict])}" for verdict in words if verdict in groups
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


def _of_spread(against: dict[str, Any]) -> str:
    return f"{against['max_of_spread']:.0e}"
