"""``rankkit gallery``: rows to a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from rankkit.cli.console import say, say_left_out
from rankkit.cli.program import program


@program.command()
def gallery(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Rows: .jsonl, .csv or .parquet.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="report.html")] = Path("report.html"),
    extra: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PAGE", help="An HTML page whose <main> is shown above the rankers. Repeatable."
        ),
    ] = None,
) -> None:
    """Write one self-contained HTML file: best and worst images per prompt, disagreements, abstentions."""
    write_gallery(file, output, {"rows": str(file)}, extra or ())


def write_gallery(file: Path, html: Path, parameters: dict[str, object], extra: Sequence[Path] = ()) -> None:
    """Write the gallery of a row file, and say where."""
    from rankkit.io.formats import check_no_input, read_rows
    from rankkit.report.extras import read_section
    from rankkit.report.gallery import gallery

    check_no_input(html, extra, "is also named by --extra, and would be replaced")
    sections = [read_section(page) for page in extra]
    left_out = Counter[str]()
    rows = read_rows(file, lambda row: left_out.update(rows=1))
    gallery(rows, html, beside=file, parameters=parameters, extras=sections)
    say_left_out(left_out["rows"])
    say(f"report written to {html}")
