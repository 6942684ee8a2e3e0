"""The plugin's own command line: parse, one library call, print. Only `convert` imports torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from rankkit.plugin import Program, print_result, say

program = Program("python -m rankkit_geneval", "GenEval's prompts, table and weights.")
main = program.main


@program.command()
def prompts() -> None:
    """The 553 prompts with their clauses: the published evaluation_metadata.jsonl, byte for byte."""
    from rankkit_geneval.prompts import lines

    print_result("".join(lines()).removesuffix("\n"))


@program.command()
def summary(
    rows: Annotated[
        Path,
        typer.Argument(metavar="ROWS", help="What rankkit score -r geneval wrote: .jsonl, .csv or .parquet."),
    ],
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Show what there is, though tasks are missing or images abstained."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The score per task and overall, with 95 % intervals.

    Refuses to hide a missing task or images without a verdict.
    """
    from rankkit_geneval.summary import as_text, summarize_file

    found = summarize_file(rows, partial=partial)
    print_result(json.dumps(found.as_json(), indent=2) if as_json else as_text(found))


@program.command()
def convert(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT", help="mmdet's mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco_….pth."
        ),
    ],
    folder: Annotated[
        Path, typer.Argument(metavar="OUT", help="A new folder; afterwards geneval:checkpoint=OUT.")
    ],
) -> None:
    """Rewrite the official detector's weights for transformers, as safetensors.

    Every weight is checked to be in its place.
    """
    from rankkit_geneval.detector.weights import OFFICIAL_SHA256, convert_file

    digest = convert_file(checkpoint, folder)
    known = (
        "the official weights"
        if digest == OFFICIAL_SHA256
        else "not the official weights: scores will not be GenEval's"
    )
    say(f"{folder}: converted from sha256 {digest[:12]}…, {known}")
    say(f"rankkit score FOLDER -r geneval:checkpoint={folder}")
