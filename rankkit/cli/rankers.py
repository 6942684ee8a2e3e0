"""Rankers themselves, and what they stand on: ``rankkit list``, ``check``, ``new`` and ``doctor``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rankkit.cli.console import print_result, say
from rankkit.cli.program import Json, complete_ranker, print_json, program
from rankkit.core.text import count, one_line
from rankkit.errors import RankkitError


@program.command("list")
def list_(
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also what each ranker's card says: range, scale, licence.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="An array of objects with name, distribution, version.")
    ] = False,
) -> None:
    """List the installed rankers, without importing them."""
    from rankkit.registry import cards
    from rankkit.registry.catalog import installed
    from rankkit.registry.published import said

    offers = [cards.describe(offer, verbose=verbose) for offer in installed()]
    if as_json:
        print_json(offers)
        return
    width = max((len(str(offer["name"])) for offer in offers), default=0)
    for offer in offers:
        broken = f"  BROKEN: {offer['error']}" if "error" in offer else ""
        print_result(f"{offer['name']:<{width}}  {offer['distribution']} {offer['version']}{broken}")
        for key, value in offer.get("card", {}).items():
            print_result(f"{'':<{width}}    {key}: {said(value)}")
    clash = cards.clash()
    if clash:
        say(f"warning: {clash}")


@program.command()
def check(
    spec: Annotated[
        str,
        typer.Argument(
            metavar="SPEC", autocompletion=complete_ranker, help="The ranker to check, as after -r."
        ),
    ],
) -> None:
    """Check what every ranker must do, on small images; a check that its card skips is not run.

    Exit code 1: a check failed.
    """
    from rankkit.cli.progress import prepared
    from rankkit.registry.load import load
    from rankkit.testing import run_checks

    skip, problems = _from_cards(spec)
    results = list(
        run_checks(prepared(spec).load(), reload=lambda **options: load(spec, **options), skip=skip)
    )
    for result in results:
        print_result(f"{result.word:<7} {result.id:<14} {result.sentence}")
        if result.failure is not None or result.skipped:
            print_result(f"{'':<22} {result.failure or result.skipped}")
    for problem in problems:
        print_result(f"FAILED  card           {problem}")
    failed = [result.id for result in results if result.failed] + ["card"] * bool(problems)
    tried = sum(not result.skipped for result in results) + bool(problems)
    if failed:
        raise RankkitError(f"{spec} fails {len(failed)} of {tried} checks: {', '.join(failed)}")
    print_result(f"{spec} passes all {tried} checks")


def _from_cards(spec: str) -> tuple[dict[str, str], list[str]]:
    """The checks that a ranker's card skips, with the reasons; and what is wrong with the cards of a spec."""
    from rankkit.registry import cards
    from rankkit.registry.catalog import installed
    from rankkit.registry.spec import parse
    from rankkit.testing.contract import ALL

    names, ids = {member.name for member, _ in parse(spec)}, [check.id for check in ALL]
    offers = [offer for offer in installed() if offer.name in names]
    problems = [problem for offer in offers for problem in cards.problems(offer)]
    stated = {check: why for offer in offers for check, why in cards.skips(offer).items() if why}
    for unknown in sorted(set(stated) - set(ids)):
        problems.append(f"card.toml: no check has the id {unknown!r}; the ids are {', '.join(ids)}")
    # What one member of a panel may do, the panel may not.
    return {} if len(names) > 1 else {check: stated[check] for check in stated if check in ids}, problems


@program.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The ranker's name, such as my-reward.")],
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where to write it; a folder of that name if not given.")
    ] = None,
) -> None:
    """Write a plugin to start from: a package with one ranker and its test."""
    from rankkit.registry.scaffold import write

    place = write(name, folder or Path(name))
    steps = [f"pip install -e {place}", f"rankkit check {name}", f"rankkit score FOLDER -r {name}"]
    print_result("\n  ".join([f"{place} holds a ranker named {name}. Next:", *steps]))


@program.command()
def doctor(as_json: Json = False) -> None:
    """Show what is here and what is wrong with it: versions, devices, caches, network, rankers; with advice.

    Nothing is changed, downloaded or asked over the network, and no secret is shown, so that --json can go
    into a report of a bug. Exit code 1: something is broken.
    """
    from rankkit.doctor import examine

    found = []
    for each in examine():
        found.append(each)
        if not as_json:
            state = "BROKEN" if each.state == "broken" else each.state
            print_result(f"{state:<6}  {each.topic:<8}  {one_line(each.text)}")
            if each.advice:
                print_result(f"{'':<18}→ {one_line(each.advice)}")
    if as_json:
        print_json([asdict(each) for each in found])
    broken = sum(each.state == "broken" for each in found)
    if broken:
        raise RankkitError(
            f"{count(broken, 'finding')} of {len(found)} {'is' if broken == 1 else 'are'} broken"
        )
    say(f"nothing is broken; {count(sum(each.state == 'note' for each in found), 'note')}")
