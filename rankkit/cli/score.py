"""``rankkit score``: images to rows."""

from __future__ import annotations

import contextlib
import os
import tempfile
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rankkit.cli.analyse import write_gallery
from rankkit.cli.console import earlier_rows, print_rows, say
from rankkit.cli.program import (
    Caption,
    CaptionOption,
    GridOption,
    PromptOption,
    PromptsOption,
    RawPrompts,
    Specs,
    grid_of,
    named,
    program,
)
from rankkit.core.prefetch import cores
from rankkit.core.text import count
from rankkit.errors import UsageError

if TYPE_CHECKING:
    from rankkit.scoring.lanes import Outcome


class Engine(str, Enum):
    """Where the scoring runs."""

    local = "local"
    ray = "ray"


@program.command()
def score(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Folders, images, .tar archives or manifests; with --engine ray also URLs of .tar and "
            ".parquet files, or of folders that hold some.",
        ),
    ],
    ranker: Specs = None,
    prompts: PromptsOption = None,
    prompt: PromptOption = None,
    caption: CaptionOption = Caption.first,
    raw_prompts: RawPrompts = False,
    grid: GridOption = "1x1",
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="scores.jsonl",
            help="Where the rows are written: .jsonl, .csv or .parquet. Without it a terminal shows the best "
            "images, and a pipe or file gets the rows as jsonl. With --engine ray also a folder, FOLDER/ or "
            "a URL: a file of rows for each archive, and manifest.json.",
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="report.html", help="Also write a report: one self-contained HTML file."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Score at most this many images.")] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Discard existing scores; once interrupted, the same command goes on."
        ),
    ] = False,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Drop rows of images that are gone or whose prompt has changed since."),
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when any image abstained.")] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes for rankers that are plain functions; by default one per core. With --engine "
            "ray: workers for all rankers, by default one per GPU, else per CPU; several may share a GPU.",
        ),
    ] = None,
    engine: Annotated[Engine, typer.Option(help="Score here, or on a Ray cluster.")] = Engine.local,
) -> None:
    """Score every image with every ranker, or continue an earlier run.

    Exit code 3: finished, but some images abstained.
    """
    from rankkit.cli.progress import prepared, progress
    from rankkit.io.formats import check_no_input
    from rankkit.io.prompts import survey
    from rankkit.report.output import check_page_output
    from rankkit.scoring.checks import check_output
    from rankkit.scoring.engine import score as score_images

    specs = named(ranker)
    _check_place(output, engine)
    if output is not None and engine is Engine.ray and _is_folder(output):
        _check_folder(output, limit, html)
        settings = prompt, caption.value, raw_prompts, grid_of(grid)
        outcome = _into_folder(paths, specs, output, prompts, settings, overwrite, prune, workers)
        if html is not None:
            write_gallery(output, html, {"paths": " ".join(paths), "prompt": prompt})
        _summarise(outcome, output)
        _end(outcome, strict)
        return
    with contextlib.nullcontext("") if output else tempfile.TemporaryDirectory(prefix="rankkit-") as folder:
        rows = Path(output or os.path.join(folder, "rows.jsonl"))
        surveys = survey(paths, prompts=prompts, captions=caption.value, raw=raw_prompts, grid=grid_of(grid))
        check_output(rows, surveys)
        if html is not None:
            check_no_input(html, [rows], "the rows go there", "--html")
            check_page_output(html)
        rankers = [prepared(spec) for spec in specs]
        outcome = score_images(
            surveys,
            rankers,
            rows,
            prompt=prompt,
            limit=limit,
            overwrite=overwrite,
            prune=prune,
            engine=engine.value,
            workers=workers if engine is Engine.ray else workers or cores(),
            say=say,
            progress=progress,
        )
        if output is None:
            print_rows(rows)
        if html is not None:
            write_gallery(rows, html, {"paths": " ".join(map(str, paths)), "prompt": prompt, "limit": limit})
    _summarise(outcome, output)
    pairwise = ", ".join(each.identity.ranker for each in rankers if each.kind == "pairwise")
    if pairwise and 0 < outcome.images == outcome.groups:
        say(
            f"note: no group has a second image for {pairwise} to compare; "
            "rankkit compare DIR_A DIR_B compares two folders"
        )
    _end(outcome, strict)


def _end(outcome: Outcome, strict: bool) -> None:
    if outcome.abstained:
        raise typer.Exit(1 if strict else 3)


def _check_place(output: str | None, engine: Engine) -> None:
    """Raises `UsageError` for an empty place for rows, and without Ray for one that only it writes to."""
    if output == "":
        raise UsageError("-o is empty (a variable that is not set?); give a file, or leave it out")
    if output is None or engine is Engine.ray:
        return
    if "://" in output:
        raise UsageError(f"-o {output}: rows go to a URL with --engine ray only; give a file of this machine")
    if output.endswith(("/", os.sep)):
        raise UsageError(
            f"-o {output}: rows go to .jsonl, .csv, .parquet; a folder of them, a file for each archive, "
            f"needs --engine ray"
        )


def _check_folder(output: str, limit: int | None, html: Path | None) -> None:
    """Raises `UsageError` for what a folder of rows cannot have."""
    from rankkit.io.formats import check_no_input
    from rankkit.report.output import check_page_output

    if limit:
        raise UsageError(
            f"--limit {limit}: workers read archives whole; to try some images give -o FILE, or name fewer "
            "archives"
        )
    if html is None:
        return
    check_no_input(html, [Path(output)], "the rows go there", "--html")
    check_page_output(html)


def _is_folder(output: str) -> bool:
    """Whether rows go into a folder, shard by shard."""
    return "://" in output or output.endswith(("/", os.sep)) or os.path.isdir(output)


def _into_folder(
    paths: list[str],
    specs: list[str],
    output: str,
    prompts: Path | None,
    settings: tuple[Any, ...],
    overwrite: bool,
    prune: bool,
    workers: int | None,
) -> Outcome:
    """Score shards on Ray's workers. `settings` are those of `Reading`."""
    from rankkit.cli.progress import prepared, progress
    from rankkit.io.urls import path_of
    from rankkit.scoring.ray.shards import shard_workers
    from rankkit.scoring.shards.run import score_shards
    from rankkit.scoring.shards.shard import Reading

    rankers = [prepared(spec) for spec in specs]
    return score_shards(
        paths,
        rankers,
        path_of(output),
        shard_workers(rankers, workers),
        prompts=prompts,
        reading=Reading(*settings),
        overwrite=overwrite,
        prune=prune,
        say=say,
        progress=partial(progress, what="shards"),
    )


def _summarise(outcome: Outcome, output: str | None) -> None:
    where = f"; rows written to {output}" if output else ""
    done = f"{outcome.scored} scored, {outcome.reused} known already, {outcome.abstained} abstained"
    say(f"{count(outcome.images, 'image')} in {count(outcome.groups, 'group')}: {done}{where}")
    if outcome.stale:
        kept, drops = ("is kept", "drops it") if outcome.stale == 1 else ("are kept", "drops them")
        say(f"{earlier_rows(outcome.stale)} {kept}; --prune {drops}")
    if outcome.pruned:
        say(f"{earlier_rows(outcome.pruned)} {'is' if outcome.pruned == 1 else 'are'} dropped")
    for reason, number in outcome.reasons.most_common(5):
        example = outcome.examples.get(reason)
        first = f" ({'first ' if number > 1 else ''}{example})" if example else ""
        say(f"  {number} × {reason}{first}")
