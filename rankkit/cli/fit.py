"""``rankkit fit``: people's choices to a ranker in a folder, and a page that says how well it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rankkit.cli.console import print_result, say
from rankkit.cli.program import program
from rankkit.cli.progress import EVERY
from rankkit.core.text import count, shell_word

if TYPE_CHECKING:
    from rankkit.choose.fit.fit import Fit
    from rankkit.report.extras import Section


@program.command()
def fit(
    labels: Annotated[
        list[Path],
        typer.Argument(
            metavar="LABELS", help="Choices: labels.jsonl of rankkit label, or any file that agree reads."
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="The folder that is to be the ranker.")
    ],
    features: Annotated[
        str,
        typer.Option(
            metavar="SPEC",
            help="basic (statistics, no download), and rankers by their embeddings or scores: basic+clip.",
        ),
    ] = "basic",
    folder: Annotated[
        Path | None,
        typer.Option(help="The folder that the image paths start from; that of LABELS if not given."),
    ] = None,
    who: Annotated[str | None, typer.Option(metavar="NAME", help="Only the answers of this person.")] = None,
) -> None:
    """Fit a taste to people's choices: a ranker, `-r ./DIR`, and how well it does on answers held out.

    No image that it is tried on is one that it has learned from. `DIR/report.html` says the same as a page.
    After more answers, the same command takes seconds: features are kept by image.
    """
    from rankkit.choose.fit import told
    from rankkit.choose.fit.fit import fit as fit_taste
    from rankkit.registry.spec import folder_spec
    from rankkit.report.document import write_page

    spec = folder_spec(output)
    found = fit_taste(labels, output, features=features, folder=folder, who=who, progress=_measured())
    report = write_page(output / "report.html", f"A taste: {output.resolve().name}", list(_sections(found)))
    print_result("\n".join(told.lines(found)))
    say(f"written to {output}; score with -r {shell_word(spec)}, and see {report}")
    for line in told.faults(found):
        say(line)
    if found.measured.faults:
        raise typer.Exit(3)


def _measured() -> Callable[[int], None]:
    """What says, every few seconds, how many images are measured."""
    last = time.monotonic()

    def told(done: int) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            say(f"{count(done, 'image')} measured")

    return told


def _sections(found: Fit) -> list[Section]:
    from rankkit.choose.fit import told
    from rankkit.report.charts import Curve, line_chart
    from rankkit.report.extras import Section, table
    from rankkit.report.html import Html, h

    def of(title: str, rows: told.Table, note: str = "", before: Html | None = None) -> Section:
        parts = [before, table(rows[0], rows[1:]), h("p", note, class_="note") if note else None]
        return Section(title, h("div", parts))

    points = [(float(number), rate.rate) for number, rate in found.held_out.curve]
    ends = [points[0][0], points[-1][0]] if points else []
    levels = [("chance", 0.5)] + (
        [("the same person again", found.consistency.rate)] if found.consistency else []
    )
    curves = [Curve("this taste", points), *(Curve(name, [(x, y) for x in ends]) for name, y in levels)]
    chart = line_chart(curves, x="answers learned from", y="accuracy") if points else None
    sections = [
        Section(
            "What was found", h("div", [h("p", line) for line in [*told.verdict(found), *told.faults(found)]])
        ),
        of(
            "How often it chooses as the person did",
            told.accuracies(found),
            "The best single feature is chosen by the answers that each part learns from.",
        ),
        of("Learning curve", told.curve(found), "Where the curve still rises, more answers help.", chart),
    ]
    if singles := told.singles(found):
        sections.append(
            of(
                "Features and rankers by themselves",
                singles,
                "Every ranker, and the best features: as they were chosen by this number, it flatters them.",
            )
        )
    if weights := told.weights(found):
        sections.append(of("What the taste is made of", weights))
    return [*sections, Section("The fit", table(("", ""), told.about(found)))]
