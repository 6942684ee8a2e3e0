"""The program ``rankkit``, to which each family adds its commands, and the options that several share."""

from __future__ import annotations

import json
import re
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from rankkit.cli.console import Program, print_result
from rankkit.errors import UsageError

BEGIN = """Order images by any preference. To begin:

\b
rankkit score FOLDER -r sharpness   score a folder, and see the best images
rankkit prompts FOLDER              see which prompt each image would get
rankkit list --verbose              see which rankers are installed
"""
program = Program("rankkit", BEGIN)


def complete_ranker(incomplete: str) -> list[str]:
    """The names that a shell offers for what was typed of a ranker."""
    from rankkit.registry.catalog import installed

    return [offer.name for offer in installed() if offer.error is None and offer.name.startswith(incomplete)]


Specs = Annotated[
    list[str] | None,
    typer.Option(
        "-r",
        "--ranker",
        metavar="SPEC",
        autocompletion=complete_ranker,
        help="name, name:key=value,key=value, module:function, or a*2+b. Repeatable.",
    ),
]
Paths = Annotated[
    list[Path], typer.Argument(metavar="PATH", help="Folders, images, .tar archives or manifests.")
]
PromptsOption = Annotated[
    Path | None,
    typer.Option(
        help="Table of images and prompts (.jsonl .csv .tsv .parquet .json), a .txt file with a prompt per "
        "line for the images in the order of their names, or a folder of .txt files."
    ),
]


class Caption(str, Enum):
    """Which of several captions of an image is its prompt."""

    first = "first"
    random = "random"
    all = "all"


CaptionOption = Annotated[
    Caption,
    typer.Option("--caption", help="Of several captions of an image: the first, one by its name, all."),
]
GridOption = Annotated[
    str,
    typer.Option(
        "--grid", metavar="COLSxROWS", help="Each file holds so many images of one prompt (DPG-Bench: 2x2)."
    ),
]
RawPrompts = Annotated[
    bool,
    typer.Option("--raw-prompts", help="Keep a generator's syntax: (emphasis:1.2), <lora:…>, BREAK."),
]
PromptOption = Annotated[str | None, typer.Option(help="One prompt for every image that has none.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def grid_of(text: str) -> tuple[int, int]:
    """The columns and rows of `--grid`. Raises `UsageError` for anything else."""
    found = re.fullmatch(r"([1-9]\d?)x([1-9]\d?)", text.strip().lower())
    if found is None:
        raise UsageError(f"--grid {text}: give columns and rows, such as 2x2")
    return int(found[1]), int(found[2])


def print_json(value: object) -> None:
    """What a command prints for `--json`: indented, and text of any language as it is."""
    print_result(json.dumps(value, indent=2, ensure_ascii=False))


def named(specs: list[str] | None) -> list[str]:
    """The rankers that were named, each once. Raises `UsageError` for none, with those that would work."""
    if not specs:
        raise UsageError(f"no ranker is named; give -r NAME. {_would_work()}")
    return list(dict.fromkeys(specs))


def _would_work() -> str:
    """The rankers that would work here now, in words; those first that need no weights."""
    from rankkit.registry.cards import usable

    at_once, others = usable()
    if not at_once and not others:
        return "None is installed: rankkit doctor says why"
    ready = f"Without any download: {', '.join(at_once)}. " if at_once else ""
    learned = f"With weights, a server or a worker: {', '.join(others)}. " if others else ""
    return f"{ready}{learned}rankkit list --verbose says what each does"


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print_result(f"rankkit {version('rankkit-t2i')}")
        raise typer.Exit


@program.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Order images by any preference."""
