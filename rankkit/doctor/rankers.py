"""Rankers: plugins, rankkit.toml and rankers.d, and the environments of `rankkit install`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

from rankkit.doctor.findings import Finding
from rankkit.environments.install import environments
from rankkit.environments.installers import BIN
from rankkit.errors import UsageError
from rankkit.registry import cards, diagnose
from rankkit.registry.catalog import entry_points_by_name, installed
from rankkit.remote import config
from rankkit.remote.config import ConfiguredRanker
from rankkit.version import installed_version


def findings() -> Iterator[Finding]:
    """What is wrong with each, as far as it shows without importing, starting or asking any."""
    yield from _plugins()
    places: dict[str, ConfiguredRanker] = {}
    if os.environ.get("RANKKIT_CONFIG") and not config.path().exists():
        text = f"RANKKIT_CONFIG names {config.path()}, which is not there"
        yield Finding("rankers", "note", text, "write it, or unset RANKKIT_CONFIG")
    for file in [*config.owned_files(), config.path()]:
        yield from _file(file, places)
    yield from _environments(places)


def _plugins() -> Iterator[Finding]:
    extras = {name: {_lacking(point) for point in points} for name, points in entry_points_by_name().items()}
    healthy = []
    for offer in installed():
        if offer.distribution == "file":
            continue  # told of below, file by file
        title = f"{offer.name} ({offer.distribution} {offer.version})"
        if offer.error is None:
            healthy.append(offer.name)
            for problem in cards.problems(offer):
                yield Finding("rankers", "note", f"{title}: {problem}", "mend its card")
        elif offer.error in extras.get(offer.name, ()):
            yield Finding("rankers", "note", f"{title}: {offer.error}", "only if you need it")
        else:
            advice = "install what is missing, or the plugin anew; or uninstall the plugin"
            yield Finding("rankers", "broken", f"{title}: {offer.error}", advice)
    yield Finding("rankers", "ok", f"{len(healthy)} rankers can be named: {', '.join(healthy) or 'none'}")
    apart = [offer.name for offer in cards.without_environment()]
    if apart:
        text = f"{', '.join(apart)}: original packages whose environments are not installed"
        yield Finding("rankers", "note", text, "if you need one: rankkit install NAME")


def _lacking(point: EntryPoint) -> str | None:
    """The extra that an entry point lacks, in words; None also for one that cannot be taken apart."""
    try:
        return diagnose.missing_extra(point)
    except AttributeError:
        return None


def _file(file: Path, places: dict[str, ConfiguredRanker]) -> Iterator[Finding]:
    """One file of names: what is wrong with it, or that it is there; its entries join `places`."""
    try:
        entries = config.places_in(file)
    except UsageError as error:
        yield Finding("rankers", "broken", str(error), f"mend {file}, or move it away")
        return
    for name, place in entries.items():
        before = places.get(name)
        if before is not None and file != config.path():
            text = f"{before.file} and {file} both name {name}"
            yield Finding("rankers", "broken", text, "remove one of them")
        places[name] = place
        yield from _place(place)
    if entries:
        yield Finding("rankers", "ok", f"{file} names {', '.join(entries)}")


def _place(place: ConfiguredRanker) -> Iterator[Finding]:
    where = f"{place.file}: {place.name}"
    if place.command and shutil.which(place.command[0]) is None:
        text = f"{where} is started by {place.command[0]}, which is not there"
        yield Finding("rankers", "broken", text, f"rankkit install {place.name} --force, or mend the command")
    if place.url and not place.url.startswith(("http://", "https://")):
        yield Finding("rankers", "broken", f"{where}: {place.url} is no address", 'url = "http://HOST:PORT"')
    if place.token_env and not os.environ.get(place.token_env):
        text = f"{where} takes its token from the variable {place.token_env}, which is not set"
        yield Finding("rankers", "broken", text, f"export {place.token_env}")


def _environments(places: dict[str, ConfiguredRanker]) -> Iterator[Finding]:
    for name, (folder, marker) in environments().items():
        again = f"rankkit install {name} --force"
        if not isinstance(marker, dict):
            yield Finding("rankers", "note", f"the environment {folder} is half-built", again)
        elif not (folder / BIN).exists():
            yield Finding("rankers", "broken", f"the environment {folder} has lost its Python", again)
        elif name not in places:
            yield Finding(
                "rankers", "note", f"the environment {folder} is there, but no file names it", again
            )
        elif marker.get("rankkit") != installed_version():
            text = (
                f"the environment of {name} holds rankkit {marker.get('rankkit')}, not {installed_version()}"
            )
            yield Finding("rankers", "note", text, again)
        else:
            yield Finding("rankers", "ok", f"the environment of {name} is complete ({marker.get('plugin')})")
