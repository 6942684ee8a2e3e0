"""What a plugin states of its rankers in its card.toml, read through its distribution's file list.

Nothing is imported.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from rankkit.registry.catalog import Installed, installed
from rankkit.registry.published import Published, faults, stated

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def describe(offer: Installed, *, verbose: bool = False) -> dict[str, Any]:
    """An installed ranker as a dict: name, distribution, version.

    `error` if it is broken; with `verbose` its `card`.
    """
    found: dict[str, Any] = {"name": offer.name, "distribution": offer.distribution, "version": offer.version}
    if offer.error:
        found["error"] = offer.error
    if verbose:
        found["card"] = _cards(offer.distribution).get(offer.name, {})
    return found


KEYS: Mapping[str, type] = {
    "kind": str,
    "range": str,
    "unit": str,
    "comparable": str,
    "needs_prompt": bool,
    "licence": str,
    "weights": str,
    "needs": str,
    "environment": str,
    "trained_on": str,
    "source": str,
    "parity": str,
    "precision": str,
    "resizing": str,
    "files": str,
    "agreement": list,
    "skip": list,
}
"""What a card.toml may state of a ranker, and the type of each."""


def problems(offer: Installed) -> list[str]:
    """What is wrong with a ranker's card, a line each.

    Keys that no card has, values of a wrong type, a file that cannot be read.
    """
    found, card = [], _cards(offer.distribution).get(offer.name, {})
    for key, value in card.items():
        if key == "error":
            found.append(str(value))
        elif key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            found.append(f"card.toml has {key!r}; {hint}a card may have {', '.join(KEYS)}")
        elif not isinstance(value, KEYS[key]):
            found.append(f"card.toml: {key} = {value!r} is {type(value).__name__}, not {KEYS[key].__name__}")
    found += [f"card.toml: {fault}" for fault in faults(card.get("agreement"))]
    for entry in card.get("skip", ()) if isinstance(card.get("skip"), list) else ():
        if not _skip(entry)[1]:
            found.append(
                f"card.toml: skip = {entry!r} does not say why; write 'ID: reason', the id of a check"
            )
    return found


def skips(offer: Installed) -> dict[str, str]:
    """The checks that a ranker's card says it is not meant to pass: their ids, each with the reason."""
    stated = _cards(offer.distribution).get(offer.name, {}).get("skip")
    return dict(_skip(entry) for entry in stated) if isinstance(stated, list) else {}


def published(specs: Iterable[str], data: str) -> list[Published]:
    """What the cards of the installed rankers among `specs` state of these human choices; one each."""
    offers = {offer.name: offer for offer in installed()}
    found = []
    for spec in specs:
        name = spec.partition(":")[0]
        card = _cards(offers[name].distribution).get(name, {}) if name in offers else {}
        found += [one for one in stated(spec, card) if one.data == data][:1]
    return found


def without_environment() -> list[Installed]:
    """The rankers that need an environment of their own, by their cards, and are named by no file."""
    apart = [offer for offer in installed() if offer.distribution not in ("command", "url", "file")]
    return [offer for offer in apart if "environment" in _cards(offer.distribution).get(offer.name, {})]


def usable() -> tuple[list[str], list[str]]:
    """The names of rankers that would work here now: those that need no download first, then all others.

    As far as it shows without importing them: not broken, and in an environment that is there.
    """
    apart = {offer.name for offer in without_environment()}
    at_once: list[str] = []
    others: list[str] = []
    for offer in installed():
        if offer.error is None and offer.name not in apart:
            weights = str(_cards(offer.distribution).get(offer.name, {}).get("weights", ""))
            (at_once if weights.startswith(("none", "in the wheel")) else others).append(offer.name)
    return at_once, others


def _skip(entry: object) -> tuple[str, str]:
    """The id and the reason in ``images-matter: it judges the prompt alone``."""
    check, _, reason = entry.partition(":") if isinstance(entry, str) else ("", "", "")
    return check.strip(), reason.strip()


def clash() -> str | None:
    """A warning if the unrelated distribution `rankkit`, which owns the same command, is installed too."""
    try:
        other = distribution("rankkit")
    except PackageNotFoundError:
        return None
    return (
        f"the distribution rankkit {other.version} (ranking metrics) is installed beside rankkit-t2i and "
        f"shares its name; uninstall it"
    )


@lru_cache
def _cards(name: str) -> dict[str, dict[str, Any]]:
    """Every ranker's table in the card.toml files of a distribution.

    Those of a single-ranker card stand at the top level.
    """
    try:
        owner = distribution(name)
    except PackageNotFoundError:
        return {}
    cards: dict[str, dict[str, Any]] = {}
    for path in shipped(owner, "card.toml"):
        try:
            content = tomllib.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            content = {"error": f"{path.name} cannot be read: {error}"}
        shared = {key: value for key, value in content.items() if not isinstance(value, dict)}
        tables = {key: value for key, value in content.items() if isinstance(value, dict)}
        for ranker in tables or {
            point.name: {} for point in owner.entry_points if point.group == "rankkit.rankers"
        }:
            cards[ranker] = {**shared, **tables.get(ranker, {})}
    return cards


def shipped(owner: Distribution, name: str) -> list[Path]:
    """The files of this name that a distribution brings, as far as they are there.

    Card.toml, official.txt.
    """
    listed = [Path(str(owner.locate_file(file))) for file in owner.files or () if file.name == name]
    return [path for path in listed if path.is_file()] or _in_source(owner, name)


def _in_source(owner: Distribution, name: str) -> list[Path]:
    """An editable installation lists no files of its own.

    They lie in the project folder, beside or above its modules.
    """
    source = json.loads(owner.read_text("direct_url.json") or "{}")
    editable = source.get("dir_info", {}).get("editable")
    folder = Path(unquote(urlsplit(source["url"]).path)) if editable else Path(str(owner.locate_file("")))
    modules = {
        folder.joinpath(*point.value.split(":")[0].split("."))
        for point in owner.entry_points
        if point.group == "rankkit.rankers"
    }
    places = {
        parent for module in modules for parent in (module, *module.parents) if folder in parent.parents
    }
    return [
        path
        for path in (place / name for place in [*([folder] if editable else []), *sorted(places)])
        if path.is_file()
    ]
