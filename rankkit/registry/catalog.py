"""Which rankers distributions and rankkit.toml offer, listed without importing any of them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from rankkit.errors import UsageError
from rankkit.registry import diagnose
from rankkit.remote import config

GROUP = "rankkit.rankers"


@dataclass(frozen=True, slots=True)
class Installed:
    """One ranker that an installed distribution offers.

    `error` says why it cannot work, as far as that shows without importing it.

    One of rankkit.toml has "command" or "url" for a distribution, and that command or address for a version.
    """

    name: str
    distribution: str
    version: str
    error: str | None = None


def installed() -> list[Installed]:
    """Every ranker on offer, sorted by name.

    Imports no plugin and starts no worker; a broken one carries its `error`.
    """
    found = _configured()
    taken = {offer.name for offer in found}  # the user's entry is what `load` takes
    for name, points in entry_points_by_name().items():
        if name in taken:
            continue
        owners = sorted({owner_of(point) for point in points})
        for point in points:
            distribution, version = owner_of(point)
            clash = (
                f"{names_of(owners)} both offer the name {name!r}; uninstall one" if len(owners) > 1 else None
            )
            found.append(Installed(name, distribution, version, clash or diagnose.of(point)))
    return sorted(found, key=lambda offer: offer.name)


def _configured() -> list[Installed]:
    """The entries of rankkit.toml; a file that cannot be understood is an entry of its own, and says why."""
    try:
        places = config.places().values()
    except UsageError as error:
        return [Installed("rankkit.toml", "file", str(config.path()), str(error))]
    return [
        Installed(place.name, "command" if place.command else "url", shlex.join(place.command) or place.url)
        for place in places
    ]


def entry_points_by_name(name: str | None = None) -> dict[str, list[EntryPoint]]:
    """The entry points of each ranker name; more than one where several distributions offer it.

    Of one `name` alone, where it is given: then the metadata of no other distribution is parsed.
    """
    found = entry_points(group=GROUP) if name is None else entry_points(group=GROUP, name=name)
    offers: dict[str, dict[tuple[str, str], EntryPoint]] = {}
    for point in found:
        offers.setdefault(point.name, {}).setdefault((owner_of(point)[0], point.value), point)
    return {name: list(points.values()) for name, points in offers.items()}


def owner_of(point: EntryPoint) -> tuple[str, str]:
    """The name and version of the distribution that an entry point belongs to."""
    if point.dist is None:
        return "?", "?"
    stated = point.dist.metadata  # a file that is parsed anew each time
    return str(stated["Name"] or "?"), str(stated["Version"])


def names_of(owners: list[tuple[str, str]]) -> str:
    """Distributions as a message names them."""
    return " and ".join(f"{name} {version}" for name, version in owners)
