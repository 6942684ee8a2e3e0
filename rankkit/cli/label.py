"""``rankkit label``: people's choices among images, in a browser on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rankkit.cli.console import print_result, say
from rankkit.cli.program import (
    Caption,
    CaptionOption,
    PromptOption,
    PromptsOption,
    RawPrompts,
    program,
)
from rankkit.core.text import count


@program.command()
def label(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Folders of images, or images.")],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="labels.jsonl", help="The file of answers; it is added to."),
    ] = Path("labels.jsonl"),
    who: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who answers; the login name if not given.")
    ] = None,
    top: Annotated[
        int,
        typer.Option(min=1, help="How many images of each prompt you want to know: the best, the best 8 …"),
    ] = 1,
    four: Annotated[
        bool, typer.Option("--four", help="Show four images at once, and choose the best.")
    ] = False,
    rows: Annotated[
        Path | None,
        typer.Option(metavar="scores.jsonl", help="Write what the answers say as rows, and open no page."),
    ] = None,
    prompts: PromptsOption = None,
    prompt: PromptOption = None,
    caption: CaptionOption = Caption.first,
    raw_prompts: RawPrompts = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port of the page; 0 takes any that is free.")
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page, or only say its address.")
    ] = True,
) -> None:
    """Ask a person which of two images of a prompt is better, in a browser on this machine.

    Which pair comes next is what tells most about the best images. Names and scores are hidden. Every answer
    is kept at once, in a file that `rankkit agree` and `drpo train preferences=` read. Ctrl-C ends it; the
    same command goes on.
    """
    from rankkit.choose.label.candidates import candidates
    from rankkit.choose.label.serve import person, serve
    from rankkit.io.prompts import survey

    surveys = survey(paths, prompts=prompts, captions=caption.value, raw=raw_prompts)
    for note in dict.fromkeys(note for each in surveys for note in each.notes):
        say(note)
    found = candidates(surveys, output, prompt, say)
    images = sum(len(each.names) for each in found)
    say(f"{count(images, 'image')} of {count(len(found), 'prompt')}")
    if rows is not None:
        from rankkit.choose.label.rows import write_rows

        say(f"{count(write_rows(found, output, rows), 'row')} of the answers in {output} written to {rows}")
        return
    serve(found, output, person(who), top=top, four=four, port=port, browser=browser, say=say)
    if output.exists():
        print_result(str(output))
