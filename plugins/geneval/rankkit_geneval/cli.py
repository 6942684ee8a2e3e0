"""The plugin's own command line: parse, one library call, print. Only `convert` imports torch."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from rankkit.errors import RankkitError, UsageError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="GenEval's prompts, table and weights.",
)


def main() -> NoReturn:
    """Run the command line.

    Errors meant for people are one line on stderr and an exit code: 1, or 2 for a wrong request.
    """
    try:
        code = int(app(standalone_mode=False, prog_name="python -m rankkit_geneval") or 0)
    except typer.Abort:
        code = 130
    except RankkitError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 2 if isinstance(error, UsageError) else 1
    except Exception as error:
        if not hasattr(error, "exit_code") or not hasattr(error, "show"):
            raise
        error.show()  # typer's own errors, for a wrong request, know their message and exit code
        code = int(error.exit_code)
    sys.exit(code)


@app.command()
def prompts() -> None:
    """The 553 prompts with their clauses: the published evaluation_metadata.jsonl, byte for byte."""
    from rankkit_geneval.prompts import lines

    sys.stdout.buffer.write("".join(lines()).encode())
    sys.stdout.buffer.flush()


@app.command()
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
    print(json.dumps(found.as_json(), indent=2) if as_json else as_text(found))


@app.command()
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
    print(f"{folder}: converted from sha256 {digest[:12]}…, {known}", file=sys.stderr)
    print(f"rankkit score FOLDER -r geneval:checkpoint={folder}", file=sys.stderr)
