"""The tables of docs/scale.md."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.scale.plan import Assumptions, bookkeeping, cost, image_bytes, rates, row_bytes
from benchmarks.tables.cells import table

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
BLOCK = re.compile(r"(<!-- plan -->\n).*?(<!-- end -->)", re.DOTALL)


def render(text: str) -> str:
    """The page with its numbers written anew."""
    return BLOCK.sub(lambda match: f"{match[1]}\n{_plan(Assumptions())}\n{match[2]}", text)


def _plan(given: Assumptions) -> str:
    return "\n".join([_assumptions(given), "", _bytes(given), _costs(given), *_origins()]) + "\n"


def _assumptions(given: Assumptions) -> str:
    return (
        f"Assumed, not measured: {given.images:,} JPEGs of 512 × 512 in archives of {given.shard:,}; "
        f"{given.gpus} H200 at ${given.dollars:.2f} an hour each; a GPU, its worker or its node fails once "
        f"in {given.hours_between_failures:,.0f} hours, and scores again after {given.restart / 60:.0f} "
        "minutes."
    )


def _bytes(given: Assumptions) -> str:
    manifest, groups = bookkeeping(given)
    lines = [
        ("images", f"{image_bytes() / 1024:.0f} KiB", f"{given.images * image_bytes() / 1e12:.1f} TB"),
        ("an archive", f"{given.shard:,} images", f"{given.shard * image_bytes() / 1e9:.2f} GB"),
        ("archives, and files of rows", "", f"{given.images // given.shard:,}"),
        ("rows of one ranker, jsonl", f"{row_bytes()} bytes", f"{given.images * row_bytes() / 1e12:.2f} TB"),
        ("`manifest.json`", "", f"{manifest:.0f} MB"),
        ("digests of groups, a prompt for each image", "8 bytes", f"{groups:.0f} GB"),
    ]
    return table(("", "each", "in all"), lines)


def _costs(given: Assumptions) -> str:
    lines = []
    for each in (cost(rate, given) for rate in rates()):
        lines.append(
            (
                f"`{each.rate.ranker}`, {each.rate.dtype}",
                f"{each.rate.images:.0f}",
                f"{each.gpu_hours:,.0f}",
                f"{each.days:.1f}",
                f"{each.dollars:,.0f}",
                f"{each.shard_seconds:.0f}",
                f"{each.failures:.1f}",
                f"{100 * each.lost_share:.3f} %",
                f"{each.read:.1f}",
                f"{each.cores:.1f}",
            )
        )
    heads = ("ranker", "images a second, one H200", "GPU hours", f"days on {given.gpus}", "US dollars",
             "seconds an archive", "failures", "hours lost to them", "MB/s read, a GPU",
             "cores to decode, a GPU")  # fmt: skip
    return table(heads, lines)


def _origins() -> list[str]:
    said = dict.fromkeys(f"Rates: {rate.origin} (`benchmarks/results/gpu.jsonl`)." for rate in rates())
    return [*said, "Bytes and cores: `benchmarks.score resume` (`benchmarks/results/score.jsonl`)."]
