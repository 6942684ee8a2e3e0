"""``rankkit select``: the best images out of rows, listed, copied, linked, moved or rated; and back."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rankkit.cli.console import print_result, results, say, say_left_out
from rankkit.cli.program import Specs, program
from rankkit.core.text import count, one_line, shell_word
from rankkit.errors import UsageError

if TYPE_CHECKING:
    from rankkit.choose.select.candidates import Pool
    from rankkit.choose.select.image_files import ImageFiles
    from rankkit.choose.select.plan import Action
    from rankkit.choose.select.rule import Rule, Selection

SHOWN = 10  # chosen images that a dry run shows
DONE = {"copy": "copied", "link": "linked", "move": "moved"}


class Per(str, Enum):
    """What a part is, of which the best are chosen."""

    prompt = "prompt"
    folder = "folder"
    all = "all"


@program.command()
def select(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="SCORES", help="Row files: .jsonl, .csv or .parquet, or folders of them."),
    ] = None,
    ranker: Specs = None,
    top: Annotated[int | None, typer.Option(min=1, help="The best N of each part.")] = None,
    share: Annotated[
        float | None, typer.Option(help="The best share of each part: 0.1 is a tenth, rounded up.")
    ] = None,
    above: Annotated[float | None, typer.Option(help="All with a score above this.")] = None,
    below: Annotated[float | None, typer.Option(help="All with a score below this.")] = None,
    per: Annotated[
        Per | None,
        typer.Option(help="What a part is. Without it: a prompt where there are prompts, else all."),
    ] = None,
    distinct: Annotated[
        bool, typer.Option("--distinct", help="Leave out what nearly equals a better image of its part.")
    ] = False,
    within: Annotated[
        int, typer.Option(min=0, max=64, help="For --distinct: bits of 64 in which near-duplicates differ.")
    ] = 8,
    copy: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Copy them there, with a metadata.jsonl.")
    ] = None,
    link: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Link them there: hard links, else symbolic ones.")
    ] = None,
    move: Annotated[Path | None, typer.Option(metavar="DIR", help="Move them there.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="Print their paths; so without any action.")] = False,
    null: Annotated[bool, typer.Option("-0", help="Print paths for xargs -0.")] = False,
    xmp: Annotated[
        bool,
        typer.Option("--xmp", help="Write ratings to a.png.xmp beside a.png, for digiKam and darktable."),
    ] = False,
    stars: Annotated[
        int | None,
        typer.Option(min=0, max=5, help="For --xmp: this rating. Without it 1 to 5, by fifths of each part."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="sheet.html", help="Also write a page that shows them.")
    ] = None,
    undo: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Take a selection back, or with --xmp the ratings below DIR; what was changed stays.",
        ),
    ] = None,
    yes: Annotated[
        bool | None,
        typer.Option(
            "--yes/--dry-run",
            help="Do it, or only show it (--dry-run); without either a terminal is shown it.",
        ),
    ] = None,
) -> None:
    """Choose the best images by scores that are there: nothing is scored, and no image file is written over.

    Several rankers are combined by mean rank. Images that abstained are never chosen; ties go by name.
    """
    from rankkit.choose.select.candidates import read_pool
    from rankkit.choose.select.image_files import ImageFiles
    from rankkit.choose.select.rule import Rule

    do = not results().isatty() if yes is None else yes
    if undo is not None and files:
        raise UsageError(f"--undo {undo} takes back what was done, and reads no scores; leave {files[0]} out")
    if undo is not None and xmp:
        return _undo_ratings(undo, do)
    places: tuple[tuple[Action, Path | None], ...] = (("copy", copy), ("link", link), ("move", move))
    _check_one_action({**dict(places), "list": listed or null, "xmp": xmp, "undo": undo})
    if undo is not None:
        return _undo(undo, do)
    if not files:
        raise UsageError("no scores are named; give a file of rows that rankkit score -o wrote")
    if stars is not None and not xmp:
        raise UsageError("--stars is the rating that --xmp writes; give --xmp too")
    rule, image_files = Rule(top, share, above, below), ImageFiles()
    pool = read_pool(files, ranker or (), per.value if per else None)
    found = _chosen(pool, rule, within if distinct else None, image_files)
    if html is not None:
        _write_sheet(found, html, files)
    place = next(((action, target) for action, target in places if target is not None), None)
    if not xmp and place is None:
        _list(found, null, image_files)
    elif not found.chosen:
        say("nothing is chosen, and nothing is done")
    elif place is None:
        _rate(found, stars, image_files, do)
    else:
        _place(found, *place, image_files, do)


def _check_one_action(actions: Mapping[str, Path | bool | None]) -> None:
    """Raise `UsageError` where more than one of these options is given."""
    given = [name for name, value in actions.items() if value is not None and value is not False]
    if len(given) > 1:
        raise UsageError(f"--{' and --'.join(given)} are given; give one of them at a time")


def _chosen(pool: Pool, rule: Rule, within: int | None, image_files: ImageFiles) -> Selection:
    """What the rule chooses, and say so; two images that differ by `within` bits at most count as one."""
    from rankkit.choose.select.near import NearDuplicates
    from rankkit.choose.select.rule import select as choose
    from rankkit.choose.select.summary import summary
    from rankkit.cli.progress import progress

    distinct = within is not None
    with progress(sum(map(len, pool.parts.values())) if distinct else 0, "images") as advance:
        near = NearDuplicates(image_files, within or 0, advance)
        found = choose(pool, rule, near if distinct else None)
    for line in summary(found, near.unread):
        say(line)
    say_left_out(pool.left_out)
    return found


def _list(found: Selection, null: bool, image_files: ImageFiles) -> None:
    """Print the path of each chosen image once."""
    chosen = [each.candidate for each in found.chosen]
    gone = sum(not image_files.is_there(each) for each in chosen)
    if gone:
        say(f"{gone} of them {'is' if gone == 1 else 'are'} not there now")
    paths = dict.fromkeys(each.path or each.image for each in chosen)
    if results().isatty() and not null:
        for path in paths:
            print_result(one_line(path))
        return
    results().flush()
    for path in paths:  # bytes: a path is what it is, whatever the locale and its characters
        results().buffer.write(os.fsencode(path) + (b"\0" if null else b"\n"))
    results().buffer.flush()


def _rate(found: Selection, stars: int | None, image_files: ImageFiles, do: bool) -> None:
    from rankkit.choose.select.stars import ratings, write

    rated = ratings(found, image_files, stars)
    if not do:
        _show(found)
        say(f"would write {count(len(rated), 'sidecar')}; --yes does it")
        return
    write(rated)
    some = next(iter(rated))
    say(f"{count(len(rated), 'sidecar')} written beside the images, such as {some}")
    say(f"rankkit select --xmp --undo {shell_word(some.parent)} takes those of a folder back")


def _place(found: Selection, action: Action, target: Path, image_files: ImageFiles, do: bool) -> None:
    from rankkit.choose.select.carry_out import carry_out
    from rankkit.choose.select.plan import megabytes, plan
    from rankkit.cli.progress import progress

    planned = plan(found, action, target, image_files)
    what = f"{count(len(planned.entries), 'image')} ({megabytes(planned.size)})"
    if not do:
        _show(found)
        replacing = " in place of the selection there" if planned.replaces else ""
        say(f"would {action} {what} to {target}{replacing}; --yes does it")
        return
    with progress(len(planned.entries), "images") as advance:
        carry_out(planned, advance)
    say(f"{what} {DONE[action]} to {target}; rankkit select --undo {shell_word(target)} takes it back")


def _show(found: Selection) -> None:
    for each in found.chosen[:SHOWN]:
        place = f"{each.rank:g} of {each.of}"
        print_result(one_line(f"{each.candidate.score:<12.6g} {place:<10} {each.candidate.image}"))
    if len(found.chosen) > SHOWN:
        print_result(f"… and {len(found.chosen) - SHOWN} more")


def _undo(target: Path, do: bool) -> None:
    from rankkit.choose.select.undo import undo, undoing

    found = undo(target) if do else undoing(target)
    would = "" if do else "would be "
    say(
        f"{target}: {count(len(found.back), 'image')} {would}put back, "
        f"{count(len(found.remove), 'file')} {would}removed{'' if do else '; --yes does it'}"
    )
    for file, reason in found.kept:
        say(f"  {file} {reason}")
    if found.kept:
        raise typer.Exit(3)


def _undo_ratings(folder: Path, do: bool) -> None:
    from rankkit.choose.select.stars import take_back, written

    ours, others = written(folder)
    if do:
        take_back(ours)
    would, more = ("", "") if do else ("would be ", "; --yes does it")
    say(f"{folder}: {count(len(ours), 'sidecar')} {would}removed{more}")
    if others:
        say(f"  {count(len(others), 'sidecar')} not as rankkit writes them stay, such as {others[0]}")


def _write_sheet(found: Selection, html: Path, files: Sequence[Path]) -> None:
    from rankkit.report.sheet import Shown, write_sheet

    parts: dict[str, list[Shown]] = {}
    for each in found.chosen:
        one = each.candidate
        said = f"{each.rank:g} of {each.of} · {one.score:.5g}"
        parts.setdefault(one.part, []).append(Shown(one.image, one.beside, said))
    write_sheet(html, f"{count(len(found.chosen), 'image')} chosen", parts)
    say(f"the chosen images are shown in {html}")
