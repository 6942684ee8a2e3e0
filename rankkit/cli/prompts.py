"""``rankkit prompts``: which prompt each image would get, and from where; nothing is scored."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from rankkit.cli.console import print_result, say
from rankkit.cli.program import (
    Caption,
    CaptionOption,
    GridOption,
    Json,
    Paths,
    PromptOption,
    PromptsOption,
    RawPrompts,
    grid_of,
    program,
)
from rankkit.core.text import count, one_line, plain

if TYPE_CHECKING:
    from rankkit.io.prompts import Finding


@program.command()
def prompts(
    paths: Paths,
    prompts: PromptsOption = None,
    prompt: PromptOption = None,
    caption: CaptionOption = Caption.first,
    raw_prompts: RawPrompts = False,
    grid: GridOption = "1x1",
    limit: Annotated[int | None, typer.Option(min=1, help="Show at most this many images per path.")] = None,
    as_json: Json = False,
) -> None:
    """Show which prompt each image would get, where it comes from, and what else was there.

    Nothing is scored. Counts of images without a prompt, and why, come last.
    """
    from itertools import islice

    from rankkit.io.prompts import survey

    for found in survey(paths, prompts=prompts, captions=caption.value, raw=raw_prompts, grid=grid_of(grid)):
        for note in found.notes:
            say(note)
        sources, reasons = Counter[str](), Counter[str]()
        for finding in islice(found.findings(prompt), limit):
            print_result(
                json.dumps(plain(asdict(finding)), ensure_ascii=False) if as_json else _shown(finding)
            )
            if finding.source:
                sources[finding.source] += 1
            else:
                reasons[finding.why or "no source knows this image"] += 1
        label = found.root.label or "here"
        if not sources and not reasons:
            say(f"{label}: no image was found; name a folder of images, an archive or a manifest")
            continue
        say(f"{label}: {count(sources.total(), 'prompt')}, {reasons.total()} without one")
        for source, number in sources.most_common():
            say(f"  {number} from {source}")
        for reason, number in reasons.most_common(5):
            say(f"  {number} without: {reason}")


def _shown(finding: Finding) -> str:
    """A line for the image, and one for each thing to know about it."""
    if finding.source:
        lines = [f"{finding.image}: {finding.prompt}", f"    from {finding.source}"]
    else:
        lines = [f"{finding.image}: no prompt", *([f"    {finding.why}"] if finding.why else [])]
    lines += [f"    as it stands there: {finding.raw_prompt}"] if finding.raw_prompt else []
    lines += [f"    not used, from {source}: {text}" for source, text in finding.others]
    return "\n".join(map(one_line, lines))
