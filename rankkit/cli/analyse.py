"""``rankkit table``, ``compare``, ``agree`` and ``gallery``: rows, folders and human choices to numbers with
intervals, and rows to a page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rankkit.cli.console import print_result, say, say_left_out
from rankkit.cli.program import Json, PromptOption, PromptsOption, Specs, named, print_json, program
from rankkit.core.text import count, first_few

if TYPE_CHECKING:
    from rankkit.analysis.pairs import Pairing


class TiePolicy(str, Enum):
    """What a ranker's tie counts for where humans did choose."""

    half = "half"
    wrong = "wrong"
    drop = "drop"


class Form(str, Enum):
    """How a leaderboard is printed."""

    text = "text"
    markdown = "markdown"
    latex = "latex"
    csv = "csv"
    json = "json"


@program.command()
def table(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", help="Row files: .jsonl, .csv or .parquet, or folders of them; also URLs."
        ),
    ],
    by: Annotated[
        str,
        typer.Option(
            metavar="file|folder|FIELD",
            help="What an entry of the leaderboard is: a file of rows, a folder of images, or the value of a "
            "field of the metadata that came with the prompts.",
        ),
    ] = "file",
    win_rate: Annotated[
        bool,
        typer.Option(
            "--win-rate", help="How often an entry beats the others on the same prompt, not its mean."
        ),
    ] = False,
    form: Annotated[
        Form, typer.Option("--format", help="How to print it: csv and json hold every number.")
    ] = Form.text,
) -> None:
    """A leaderboard from rows: mean ± standard error clustered by prompt, or win rate."""
    from rankkit.analysis.leaderboard import table as leaderboard
    from rankkit.analysis.leaderboard_text import render
    from rankkit.io.urls import rows_here

    with ExitStack() as copies:
        found = leaderboard([copies.enter_context(rows_here(file)) for file in files], by=by)
    print_result(told := render(found, form=form.value, win_rate=win_rate))
    if form in (Form.text, Form.markdown) and " *" in told and len(found.entries) > 1:
        say("* is the best of its column; rankkit compare says whether a difference could be chance")
    if win_rate and len(found.entries) == 1:
        say(f"a win rate needs two entries, and --by {by} gives one: its means are shown")
    say_left_out(found.left_out)


@program.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="DIR_A", help="One folder of images.")],
    b: Annotated[Path, typer.Argument(metavar="DIR_B", help="The folder to compare it with.")],
    ranker: Specs = None,
    prompts: PromptsOption = None,
    prompt: PromptOption = None,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="List which image is compared with which, and compare nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Whose images are preferred: paired win rate with a 95 % interval.

    Images are paired by relative path, by prompt, or by the number in the name; which it was is said.
    """
    from rankkit.analysis.compare import compare as compare_pairs
    from rankkit.analysis.compare import render
    from rankkit.analysis.pairs import pair
    from rankkit.cli.progress import prepared, progress

    names = [] if pairs else named(ranker)
    pairing = pair(a, b, prompts=prompts, prompt=prompt)
    _say_how_paired(pairing, a, b)
    if pairs:
        if as_json:
            print_json(pairing.as_json())
        else:
            print_result("\n".join(f"{each.a.name} ~ {each.b.name}" for each in pairing.pairs))
        return
    with progress(len(pairing.pairs) * len(names), "pairs") as advance:
        found = compare_pairs(
            pairing.pairs, {name: prepared(name).load() for name in names}, progress=advance, say=say
        )
    if as_json:
        print_json([{**each.as_json(), "paired_by": pairing.by} for each in found])
    else:
        print_result(render(found, str(a), str(b), pairing.by))
    failures = {name: reason for each in found for name, reason in each.failures.items()}
    for name, reason in list(failures.items())[:5]:
        say(f"not compared: {reason if reason.startswith(name) else f'{name}: {reason}'}")
    if len(failures) > 5:
        say(f"and {count(len(failures) - 5, 'other pair')}")
    if failures:
        raise typer.Exit(3)


def _say_how_paired(pairing: Pairing, a: Path, b: Path) -> None:
    """Say by what rule images were paired, and which have no partner."""
    say(f"{count(len(pairing.pairs), 'pair')} by {pairing.by}")
    for side, alone in ((a, pairing.only_a), (b, pairing.only_b)):
        if alone:
            have = "has" if len(alone) == 1 else "have"
            say(f"{count(len(alone), 'image')} of {side} {have} no partner: {first_few(alone)}")


@program.command()
def agree(
    pairs: Annotated[
        Path,
        typer.Argument(
            metavar="PAIRS",
            help="Human choices: HPDv2, HPDv3, Pick-a-Pic, ImageReward, MMRB2, GenAI-Bench, or jsonl pairs.",
        ),
    ],
    ranker: Specs = None,
    images: Annotated[
        Path | None,
        typer.Option(help="The folder that the image paths start from; that of PAIRS if not given."),
    ] = None,
    ties: Annotated[TiePolicy, typer.Option(help="What a ranker's tie counts for.")] = TiePolicy.half,
    limit: Annotated[int | None, typer.Option(min=1, help="Take at most this many entries.")] = None,
    as_json: Json = False,
) -> None:
    """Measure how often rankers choose as humans did.

    Prints pairwise accuracy with a 95 % interval, what was published of the same data where a ranker's card
    says so, and rank correlations between rankers.
    """
    from rankkit.analysis.agree import agree as agree_with_humans
    from rankkit.analysis.agree_report import lines, to_dict
    from rankkit.cli.progress import following, prepared
    from rankkit.registry.cards import published

    rankers = {name: prepared(name).load() for name in named(ranker)}
    with following("entries") as progress:
        report = agree_with_humans(
            pairs, rankers, images=images, ties=ties.value, limit=limit, progress=progress, say=say
        )
    report = replace(report, published=tuple(published(rankers, report.format)))
    if as_json:
        print_json(to_dict(report))
    else:
        print_result("\n".join(lines(report)))
    if report.abstained:
        if report.unreadable_pairs:
            hold = "holds" if report.unreadable_pairs == 1 else "hold"
            say(f"{count(report.unreadable_pairs, 'pair')} {hold} an image that cannot be read")
        for found in (each for each in report.rankers if each.abstained):
            reason = next(iter(found.reasons))
            say(f"{found.ranker}: {count(found.abstained, 'pair')} without an answer: {reason}")
        raise typer.Exit(3)


@program.command()
def gallery(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="Rows: .jsonl, .csv or .parquet, or a folder of them; also a URL."
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="report.html", help="Where the page is written.")
    ] = Path("report.html"),
    extra: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PAGE", help="An HTML page whose <main> is shown above the rankers. Repeatable."
        ),
    ] = None,
) -> None:
    """Write one self-contained HTML file: best and worst images per prompt, disagreements, abstentions."""
    write_gallery(file, output, {"rows": file}, extra or ())


def write_gallery(
    file: str | Path, html: Path, parameters: dict[str, object], extra: Sequence[Path] = ()
) -> None:
    """Write the gallery of a row file, and say where."""
    from rankkit.io.formats import check_no_input, read_rows
    from rankkit.io.urls import rows_here
    from rankkit.report.extras import read_section
    from rankkit.report.gallery import gallery

    check_no_input(html, extra, "is also named by --extra, and would be replaced")
    sections = [read_section(page) for page in extra]
    left_out = Counter[str]()
    with rows_here(str(file)) as here:
        rows = read_rows(here, lambda row: left_out.update(rows=1))
        gallery(rows, html, beside=here, parameters=parameters, extras=sections)
    say_left_out(left_out["rows"])
    say(f"report written to {html}")
